namespace Cutpoint.Fuzz.Targets;

/// <summary>Packs as files: the way a repository without a catalog looks at them. Damage is a part of the result there, not an error.</summary>
public sealed class PackTarget : FuzzTarget
{
    [ThreadStatic]
    private static ScratchPack? _scratch;

    public override string Name => "pack";

    public override bool DetectsTruncation => false;

    public override IReadOnlyList<byte[]> Words { get; } = [[0x61], [0x62], [0x63], [0x64], [0x65], [0x66], [0x02, 0x01, 0x01], [0x04, 0x20], [0x04, 0x08], [0x84, 0x7f, 0xff, 0xff, 0xff]];

    /// <summary>The window in which the next sound value is sought, and every value that holds.</summary>
    public override long AllocationLimit(int length) => (4L << 20) + (256L * length);

    public override void Read(byte[] octets, Random random)
    {
        _scratch ??= new ScratchPack(null);
        _scratch.Recover(octets);
    }

    protected override IEnumerable<byte[]> Golden() => [GoldenRepository.SmallPack, GoldenRepository.Pack];
}
