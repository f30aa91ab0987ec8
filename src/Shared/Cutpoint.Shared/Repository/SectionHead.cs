using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using Cutpoint.Compression;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Everything of a section's value but its payload. The head ends in a SHA-256 over itself, and holds the XXH3-128 of the payload, so that
/// the two cover every octet of the value; the identity, SHA-256 of the payload and of what it is, stands for what comes out, since a payload is
/// decompressed in one way only.
/// </summary>
internal readonly struct SectionHead
{
    /// <summary>No head, with the header of the payload, is longer.</summary>
    public const int MaxLength = (16 * Paging.PagesPerSection) + 512;

    /// <summary>No section's value is longer: a payload that does not shrink is stored as it is.</summary>
    public const int MaxSectionLength = MaxLength + Paging.SectionSize;

    /// <summary>No masks are longer.</summary>
    public const int MaxMasksLength = Paging.ExtentsPerSection * sizeof(ulong);

    private const int HashLength = 16;

    private readonly Masks _masks;

    private SectionHead(
        bool isKnownByContent, SectionKind kind, CodecKind codec, int rawLength, Digest identity, int maskCount, in Masks masks, Range hashes, UInt128 payloadHash,
        Range payload)
    {
        IsKnownByContent = isKnownByContent;
        Kind = kind;
        Codec = codec;
        RawLength = rawLength;
        Identity = identity;
        MaskCount = maskCount;
        _masks = masks;
        Hashes = hashes;
        PayloadHash = payloadHash;
        Payload = payload;
    }

    /// <summary>True for sections of version 1.</summary>
    public bool IsKnownByContent { get; }

    public SectionKind Kind { get; }

    public CodecKind Codec { get; }

    /// <summary>Octets of the content.</summary>
    public int RawLength { get; }

    public Digest Identity { get; }

    /// <summary>Extents in the section.</summary>
    public int MaskCount { get; }

    /// <summary>Where the page hashes are in the value.</summary>
    public Range Hashes { get; }

    public UInt128 PayloadHash { get; }

    /// <summary>Where the payload is in the value.</summary>
    public Range Payload { get; }

    /// <summary>The pages of the extent with a number within the section.</summary>
    public ulong Mask(int ordinal) => _masks[ordinal];

    /// <summary>Pages in front of the extent with a number within the section.</summary>
    public int PagesBefore(int ordinal)
    {
        var pages = 0;
        for (var index = 0; index < ordinal; index++) pages += BitOperations.PopCount(_masks[index]);
        return pages;
    }

    /// <summary>The identity of a section that is made.</summary>
    /// <param name="identity">How the repository identifies sections.</param>
    /// <param name="kind">What the content is.</param>
    /// <param name="codec">How the payload is compressed.</param>
    /// <param name="rawLength">Octets of the content.</param>
    /// <param name="masks">One mask of 8 octets per extent, most significant octet first.</param>
    /// <param name="payload">What is stored.</param>
    public static Digest IdentityOf(
        SectionIdentity identity, SectionKind kind, CodecKind codec, int rawLength, ReadOnlySpan<byte> masks, ReadOnlySpan<byte> payload)
    {
        Span<byte> what = stackalloc byte[2 + sizeof(int) + MaxMasksLength];
        what[0] = (byte)kind;
        what[1] = (byte)codec;
        BinaryPrimitives.WriteInt32BigEndian(what[2..], rawLength);
        masks.CopyTo(what[(2 + sizeof(int))..]);
        return identity.Of(what[..(2 + sizeof(int) + masks.Length)], payload);
    }

    /// <summary>The identity this section must have.</summary>
    /// <param name="identity">How the repository identifies sections.</param>
    /// <param name="value">The section's value, whole.</param>
    /// <param name="content">What its payload was decompressed to; nothing but <see cref="IsKnownByContent"/> asks for it.</param>
    public Digest IdentityOf(SectionIdentity identity, ReadOnlySpan<byte> value, ReadOnlySpan<byte> content)
    {
        Span<byte> octets = stackalloc byte[1 + MaxMasksLength];
        octets[0] = (byte)Kind;
        for (var ordinal = 0; ordinal < MaskCount; ordinal++)
            BinaryPrimitives.WriteUInt64BigEndian(octets[(1 + (ordinal * sizeof(ulong)))..], _masks[ordinal]);
        octets = octets[..(1 + (MaskCount * sizeof(ulong)))];
        return IsKnownByContent ? identity.Of(octets, content) : IdentityOf(identity, Kind, Codec, RawLength, octets[1..], value[Payload]);
    }

    /// <summary>Writes a head in front of its payload.</summary>
    /// <param name="writer">Stands at the first octet of the payload, which is the last thing in its buffer.</param>
    /// <param name="kind">What the content is.</param>
    /// <param name="codec">How the payload is compressed.</param>
    /// <param name="rawLength">Octets of the content.</param>
    /// <param name="identity">What it is known by.</param>
    /// <param name="masks">One mask of 8 octets per extent, most significant octet first.</param>
    /// <param name="hashes">One hash per page.</param>
    public static void Write(
        ref BackwardWriter writer, SectionKind kind, CodecKind codec, int rawLength, Digest identity, ReadOnlySpan<byte> masks,
        ReadOnlySpan<UInt128> hashes)
    {
        var end = writer.Start + writer.Written.Length;
        var payloadHash = Xxh3.Hash(writer.Written);
        writer.Header(BerTag.OctetString, isConstructed: false, end);
        PackFormat.ReserveDigest(ref writer);
        var digestEnd = writer.Start + BackwardWriter.DigestElementLength;

        var hash = writer.Contents(HashLength);
        BinaryPrimitives.WriteUInt128BigEndian(hash, payloadHash);
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + HashLength);
        var hashOctets = writer.Contents(hashes.Length * HashLength);
        for (var page = 0; page < hashes.Length; page++)
            BinaryPrimitives.WriteUInt128BigEndian(hashOctets[(page * HashLength)..], hashes[page]);
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + hashOctets.Length);
        writer.Octets(masks);
        identity.CopyTo(writer.Contents(Digest.Length));
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + Digest.Length);
        writer.Integer((ulong)rawLength);
        writer.Integer((ulong)codec);
        writer.Integer((ulong)kind);
        writer.Integer(PackFormat.Version);
        writer.Header(PackFormat.SectionTag, isConstructed: true, end);

        var value = writer.Written;
        var digestStart = digestEnd - BackwardWriter.DigestElementLength - writer.Start;
        Sha256.Of(value[..digestStart]).CopyTo(value[(digestStart + 2)..]);
    }

    /// <summary>Reads a head and checks its digest.</summary>
    /// <param name="value">The value from its first octet, at least up to the payload.</param>
    /// <param name="length">Octets of the whole value, as the catalog or the walk has it.</param>
    /// <param name="offset">Where it starts in the pack.</param>
    public static SectionHead Read(ReadOnlySpan<byte> value, int length, long offset)
    {
        if (!BerHeader.TryRead(value, out var outer, offset) || outer.Tag != PackFormat.SectionTag || !outer.IsConstructed)
            throw PackFormat.Damaged(offset, "no section starts here");
        if (outer.IsIndefinite || outer.TotalLength != length) throw PackFormat.Damaged(offset, "the section has another length");
        var fields = new BerSpanReader(value[outer.HeaderLength..], offset + outer.HeaderLength);
        // The digest is behind the fields, so a wrong version here is damage: packs of another version say so in their own header.
        var version = fields.ReadUnsigned("version");
        if (version is < PackFormat.OldestVersion or > PackFormat.Version) throw PackFormat.Damaged(offset, "the section has an unknown version");
        var kind = (SectionKind)fields.ReadUnsigned("kind", (ulong)SectionKind.State);
        var codec = (CodecKind)fields.ReadUnsigned("codec", (ulong)CodecKind.Lz4);
        var rawLength = (int)fields.ReadUnsigned("content length", Paging.SectionSize);
        var identity = new Digest(PackFormat.ReadFixed(ref fields, "identity", Digest.Length));
        var maskOctets = fields.ReadPrimitive(BerTag.OctetString);
        var hashOctets = fields.ReadPrimitive(BerTag.OctetString);
        var hashesEnd = (int)(fields.Position - offset);
        var payloadHash = BinaryPrimitives.ReadUInt128BigEndian(PackFormat.ReadFixed(ref fields, "payload hash", HashLength));
        var digestStart = (int)(fields.Position - offset);
        var digest = new Digest(PackFormat.ReadFixed(ref fields, "digest", Digest.Length));
        if (digest != Sha256.Of(value[..digestStart])) throw PackFormat.Damaged(offset, "the digest of the section's head does not hold");

        var payloadAt = (int)(fields.Position - offset);
        if (!BerHeader.TryRead(value[payloadAt..], out var payload, offset + payloadAt) || payload.Tag != BerTag.OctetString
            || payload.IsConstructed
            || payload.HeaderLength != BerHeader.Measure(payload.Tag, payload.ContentLength) || payload.TotalLength != length - payloadAt)
        {
            throw PackFormat.Damaged(offset + payloadAt, "the section's payload has another length");
        }

        var masks = new Masks();
        var maskCount = ReadMasks(maskOctets, ref masks, offset, out var pages);
        var isConsistent = kind == SectionKind.Pages
            ? pages > 0 && rawLength == pages * Paging.PageSize && hashOctets.Length == pages * HashLength
            : maskCount == 0 && hashOctets.IsEmpty && rawLength > 0;
        if (!isConsistent || payload.ContentLength > Paging.SectionSize)
            throw PackFormat.Damaged(offset, "the section's fields contradict each other");
        payloadAt += payload.HeaderLength;
        return new SectionHead(
            version == PackFormat.OldestVersion, kind, codec, rawLength, identity, maskCount, masks, (hashesEnd - hashOctets.Length)..hashesEnd, payloadHash, payloadAt..length);
    }

    /// <summary>Where the payload starts in a value this program has made or checked.</summary>
    public static int PayloadStart(ReadOnlySpan<byte> value)
    {
        const int FieldsBeforePayload = 9;
        BerHeader.TryRead(value, out var header);
        var at = header.HeaderLength;
        for (var field = 0; field < FieldsBeforePayload; field++)
        {
            BerHeader.TryRead(value[at..], out header);
            at += (int)header.TotalLength;
        }
        BerHeader.TryRead(value[at..], out header);
        return at + header.HeaderLength;
    }

    /// <summary>The hash of a page of a section.</summary>
    /// <param name="value">The section's value, at least up to the payload.</param>
    /// <param name="page">Number of the page within the section.</param>
    public UInt128 Hash(ReadOnlySpan<byte> value, int page) => BinaryPrimitives.ReadUInt128BigEndian(value[Hashes][(page * HashLength)..]);

    private static int ReadMasks(ReadOnlySpan<byte> octets, ref Masks masks, long offset, out int pages)
    {
        pages = 0;
        if (octets.Length % sizeof(ulong) != 0 || octets.Length > Paging.ExtentsPerSection * sizeof(ulong))
            throw PackFormat.Damaged(offset, $"the section has masks of {octets.Length} octets");
        var count = octets.Length / sizeof(ulong);
        for (var ordinal = 0; ordinal < count; ordinal++)
        {
            masks[ordinal] = BinaryPrimitives.ReadUInt64BigEndian(octets[(ordinal * sizeof(ulong))..]);
            if (masks[ordinal] == 0) throw PackFormat.Damaged(offset, "an extent of the section has no page");
            pages += BitOperations.PopCount(masks[ordinal]);
        }
        return count;
    }

    [InlineArray(Paging.ExtentsPerSection)]
    private struct Masks
    {
        private ulong _first;
    }
}
