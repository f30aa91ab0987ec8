using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// What the values of a pack have in common. Each is a constructed value of class APPLICATION and definite length; each but the section
/// ends in the SHA-256 of all its octets before that element. docs/formats/repository.md has the grammar.
/// </summary>
internal static class PackFormat
{
    /// <summary>The version of packs this program writes, and the newest it reads.</summary>
    public const int Version = 2;

    /// <summary>The oldest it reads. Its sections are known by what comes out of them, not by what is stored.</summary>
    public const int OldestVersion = 1;

    /// <summary>Values longer than this are not taken: the manifest of a guest of 4 TiB stays below.</summary>
    public const int MaxValueLength = 1 << 30;

    public const string Magic = "cutpoint pack";

    public static BerTag HeaderTag => BerTag.Application(1);

    public static BerTag SectionTag => BerTag.Application(2);

    public static BerTag ManifestTag => BerTag.Application(3);

    public static BerTag CommitTag => BerTag.Application(4);

    public static BerTag IndexTag => BerTag.Application(5);

    public static BerTag PlacementTag => BerTag.Application(6);

    /// <summary>Any of the others, encrypted.</summary>
    public static BerTag SealedTag => BerTag.Application(7);

    /// <summary>Opens a value that ends in its digest.</summary>
    /// <param name="value">The value, whole.</param>
    /// <param name="tag">The tag it must have.</param>
    /// <param name="offset">Where it starts in the pack.</param>
    /// <param name="digest">Its digest, which holds.</param>
    /// <returns>A reader of its fields.</returns>
    public static BerSpanReader Open(ReadOnlySpan<byte> value, BerTag tag, long offset, out Digest digest)
    {
        var outer = new BerSpanReader(value, offset);
        var fields = outer.ReadConstructed(tag);
        if (!outer.IsAtEnd) throw Damaged(offset, "octets follow the value");
        var digestStart = value.Length - BackwardWriter.DigestElementLength;
        if (digestStart < 2 || value[digestStart] != 0x04 || value[digestStart + 1] != Digest.Length)
            throw Damaged(offset, "the value does not end in a digest");
        digest = Sha256.Of(value[..digestStart]);
        if (digest != new Digest(value[(digestStart + 2)..])) throw Damaged(offset, "the digest of the value does not hold");
        return fields;
    }

    /// <summary>What a value is.</summary>
    /// <param name="value">The value from its first octet.</param>
    /// <param name="offset">Where it starts in the pack.</param>
    public static BerTag TagOf(ReadOnlySpan<byte> value, long offset) =>
        BerHeader.TryRead(value, out var header, offset) ? header.Tag : throw Damaged(offset, "no value starts here");

    /// <summary>Leaves room for the digest at the end of a value. Called before any other field is written.</summary>
    public static void ReserveDigest(ref BackwardWriter writer)
    {
        writer.Contents(Digest.Length).Clear();
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + Digest.Length);
    }

    /// <summary>Writes the header of a value that ends in its digest, then the digest.</summary>
    public static Digest Close(ref BackwardWriter writer, BerTag tag)
    {
        writer.Header(tag, isConstructed: true, writer.Start + writer.Written.Length);
        var value = writer.Written;
        var digest = Sha256.Of(value[..^BackwardWriter.DigestElementLength]);
        digest.CopyTo(value[^Digest.Length..]);
        return digest;
    }

    /// <summary>Reads a field that names a version.</summary>
    public static void ReadVersion(ref BerSpanReader fields)
    {
        var version = fields.ReadUnsigned("version");
        if (version is < OldestVersion or > Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the pack has format version {version}, this program knows {Version}",
                "use a newer version of Cutpoint");
        }
    }

    /// <summary>Reads an OCTET STRING of fixed length.</summary>
    public static ReadOnlySpan<byte> ReadFixed(ref BerSpanReader fields, string what, int length)
    {
        var position = fields.Position;
        var octets = fields.ReadPrimitive(BerTag.OctetString);
        return octets.Length == length ? octets : throw Damaged(position, $"{what} has {octets.Length} octets, not {length}");
    }

    public static MalformedInputException Damaged(long offset, string reason) =>
        new("pack", offset, reason, "run 'cutpoint verify' to see which checkpoints are hit");
}
