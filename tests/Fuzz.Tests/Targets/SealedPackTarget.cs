using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>
/// Packs of an encrypted repository, and every section in them. The inputs are not encrypted yet: they are changed in the clear and sealed then, most values of
/// them, so that changes are met behind the seal as well, as if they were those of somebody who has the key.
/// </summary>
public sealed class SealedPackTarget : FuzzTarget
{
    private const int UnsealedOneIn = 8;

    private static readonly DataKey Key = new(GoldenRepository.Id, new byte[DataKey.Length]);
    private static readonly PackProtection Protection = new(Key);

    [ThreadStatic]
    private static ScratchPack? _scratch;
    [ThreadStatic]
    private static byte[]? _section;

    public override string Name => "sealed-pack";

    // What is torn off is damage, which is a part of the result.
    public override bool DetectsTruncation => false;

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x61], [0x62], [0x63], [0x65], [0x67], [0x67, 0x80], [0x04, 0x10], [0x04, 0x00], [0x04, 0x08], [0x04, 0x84, 0x7f, 0xff, 0xff, 0xff], [0x02, 0x01, 0x01], [0x00, 0x00]];

    /// <summary>The window in which the next sound value is sought, every value that holds, and a cipher for every salt.</summary>
    public override long AllocationLimit(int length) => (8L << 20) + (256L * length);

    public override void Seal(byte[] octets, Random random)
    {
        for (var at = SealHeader(octets); at < octets.Length;)
        {
            if (!BerHeader.TryRead(octets.AsSpan(at), out var header, at) || header.IsIndefinite || header.TotalLength > octets.Length - at) return;
            var value = octets.AsSpan(at, (int)header.TotalLength);
            if (header.Tag == PackFormat.SealedTag && random.Next(UnsealedOneIn) > 0) SealValue(value, at);
            at += value.Length;
        }
    }

    public override void Read(byte[] octets, Random random)
    {
        _scratch ??= new ScratchPack(Protection);
        _section ??= new byte[PackFile.SectionBufferLength];
        foreach (var entry in _scratch.Recover(octets)?.Entries ?? [])
        {
            if (entry.Tag != PackFormat.SectionTag) continue;
            var section = new SectionRef(entry.Digest, GoldenRepository.PackId, entry.Offset, entry.Length);
            try
            {
                if (random.Next(2) == 0) _scratch.Pack.ReadSectionHead(section, _section);
                else _scratch.Pack.ReadSection(section, _section, out _);
            }
            catch (MalformedInputException)
            {
                // An index may name what is not there.
            }
        }
    }

    protected override IEnumerable<byte[]> Golden() => [Unsealed(GoldenRepository.SmallPack), Unsealed(GoldenRepository.Pack)];

    /// <summary>The header is in the clear, with a digest.</summary>
    /// <returns>Where it ends; the end of the input when it is none.</returns>
    private static int SealHeader(Span<byte> octets)
    {
        if (!BerHeader.TryRead(octets, out var header) || header.IsIndefinite || header.TotalLength > octets.Length) return octets.Length;
        SealDigest(octets[..(int)header.TotalLength]);
        return (int)header.TotalLength;
    }

    /// <summary>All values but sections end in an element with the digest of what is before it.</summary>
    private static void SealDigest(Span<byte> value)
    {
        const int ElementLength = 2 + Digest.Length;
        if (value.Length > ElementLength) Sha256.Of(value[..^ElementLength]).CopyTo(value[^Digest.Length..]);
    }

    private static void SealValue(Span<byte> value, int offset)
    {
        var parts = SealedValue.Parse(value, value.Length, offset);
        using var cipher = new PackCipher(Key, GoldenRepository.PackId, value[parts.Salt]);
        if (parts.Body.Start.Value == parts.Body.End.Value) SealDigest(value[parts.Head][..^PackCipher.TagLength]);
        SealPart(0, value[parts.Head]);
        if (value[parts.Body] is { IsEmpty: false } body) SealPart(1, body);

        void SealPart(int part, Span<byte> contents) => cipher.Seal(offset, part, parts.Length, contents[..^PackCipher.TagLength], contents);
    }

    /// <summary>A pack as it would be encrypted, but for that: its values in their envelopes, and an index of where they are then.</summary>
    private static byte[] Unsealed(byte[] plain)
    {
        var pack = new List<byte>(new PackHeader(GoldenRepository.Id, GoldenRepository.PackId, IsSealed: true).Write());
        var entries = new List<PackEntry>();
        using var cipher = new PackCipher(Key, GoldenRepository.PackId, new byte[PackCipher.SaltLength]);
        foreach (var value in GoldenRepository.Values(plain).Skip(1))
        {
            var tag = PackFormat.TagOf(value, 0);
            if (tag == PackFormat.IndexTag) break;
            var (identity, headLength) = (default(Digest), value.Length);
            if (tag == PackFormat.SectionTag) (identity, headLength) = (SectionHead.Read(value, value.Length, 0).Identity, SectionHead.PayloadStart(value));
            else PackFormat.Open(value, tag, 0, out identity);
            var (at, length) = (pack.Count, Add(value, headLength));
            entries.Add(new PackEntry(tag, identity, at, length));
        }
        var index = PackIndex.Write(entries);
        Add(index, index.Length);
        return [.. pack];

        int Add(ReadOnlySpan<byte> value, int headLength)
        {
            Span<byte> @sealed = new byte[value.Length + SealedValue.MaxOverhead];
            @sealed = @sealed[..SealedValue.Write(cipher, pack.Count, value[..headLength], value[headLength..], @sealed)];
            var parts = SealedValue.Parse(@sealed, @sealed.Length, pack.Count);
            value[..headLength].CopyTo(@sealed[parts.Head]);
            value[headLength..].CopyTo(@sealed[parts.Body]);
            pack.AddRange(@sealed);
            return @sealed.Length;
        }
    }
}
