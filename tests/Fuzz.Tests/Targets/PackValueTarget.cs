using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>
/// The values of a pack that end in their digest: header, manifest, commit record, index. The digest is put right, since who writes hostile values can do that too.
/// </summary>
public sealed class PackValueTarget : FuzzTarget
{
    private const int DigestElementLength = 2 + Digest.Length;

    public override string Name => "pack-value";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x61], [0x63], [0x64], [0x65], [0x66], [0x02, 0x01], [0x02, 0x09, 0x00, 0xff], [0x04, 0x80], [0x0c, 0x81], [0x30, 0x80], [0x30, 0x82], [0xff], [0x00, 0x00], "{\""u8.ToArray(), "\\ud800"u8.ToArray()];

    public override void Seal(byte[] octets, Random random)
    {
        if (octets.Length <= DigestElementLength) return;
        octets[^DigestElementLength] = 0x04;
        octets[^(DigestElementLength - 1)] = Digest.Length;
        Sha256.Of(octets.AsSpan(0, octets.Length - DigestElementLength)).CopyTo(octets.AsSpan(octets.Length - Digest.Length));
    }

    public override void Read(byte[] octets, Random random)
    {
        switch (octets.Length == 0 ? 0 : octets[0])
        {
            case 0x63:
                ManifestFormat.Read(octets, 0);
                break;
            case 0x64:
                CommitFormat.Read(octets, 0, out _);
                break;
            case 0x65:
                PackIndex.Read(octets, 0);
                break;
            case 0x66:
                PlacementFormat.Read(octets, 0);
                break;
            default:
                PackHeader.Read(octets);
                break;
        }
    }

    protected override IEnumerable<byte[]> Golden() => GoldenRepository.Values(GoldenRepository.SmallPack).Where(value => value[0] != 0x62);
}
