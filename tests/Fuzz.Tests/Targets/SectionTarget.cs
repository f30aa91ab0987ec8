using Cutpoint.Compression;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Sections of a pack: head, masks, and the payload through each codec. Digest and hash are put right where the head can still be read.</summary>
public sealed class SectionTarget : FuzzTarget
{
    // Fields of a head in front of its digest: version, kind, codec, length, identity, masks, page hashes, payload hash.
    private const int FieldsBeforeDigest = 8;

    [ThreadStatic]
    private static byte[]? _content;

    public override string Name => "section";

    public override IReadOnlyList<byte[]> Words { get; } = [[0x02, 0x01], [0x02, 0x03], [0x04, 0x10], [0x04, 0x20], [0x04, 0x08], [0x04, 0x82], [0x28, 0xb5, 0x2f, 0xfd], [0xff], [0x00]];

    /// <summary>Beside the objects, one buffer of a section's content on each thread.</summary>
    public override long AllocationLimit(int length) => Paging.SectionSize + (2L << 20) + (64L * length);

    public override void Seal(byte[] octets, Random random)
    {
        if (!BerHeader.TryRead(octets, out var outer) || outer.IsIndefinite) return;
        var fields = new BerSpanReader(octets.AsSpan(outer.HeaderLength), outer.HeaderLength);
        for (var field = 0; field < FieldsBeforeDigest; field++) _ = fields.ReadValue();
        var digestAt = (int)fields.Position;
        if (fields.ReadValue().Length != 2 + Digest.Length || !BerHeader.TryRead(octets.AsSpan((int)fields.Position), out var payload)) return;
        var hash = Xxh3.Hash(octets.AsSpan((int)fields.Position + payload.HeaderLength));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(octets.AsSpan(digestAt - 16), hash);
        Sha256.Of(octets.AsSpan(0, digestAt)).CopyTo(octets.AsSpan(digestAt + 2));
    }

    public override void Read(byte[] octets, Random random)
    {
        var head = SectionHead.Read(octets, octets.Length, 0);
        SectionReader.Decode(head, octets, 0, (_content ??= new byte[Paging.SectionSize]).AsSpan(0, head.RawLength));
        for (var page = 0; page < head.RawLength / Paging.PageSize && head.Kind == SectionKind.Pages; page++) _ = head.Hash(octets, page);
    }

    protected override IEnumerable<byte[]> Golden() => GoldenRepository.Values(GoldenRepository.Pack).Where(value => value[0] == 0x62);
}
