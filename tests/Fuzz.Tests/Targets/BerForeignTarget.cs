namespace Cutpoint.Fuzz.Targets;

/// <summary>BER snapshots of other writers as an import takes them. What is taken comes out again to the octet, however odd it is.</summary>
public sealed class BerForeignTarget : FuzzTarget
{
    public override string Name => "ber-foreign";

    public override IReadOnlyList<byte[]> Words => new BerSnapshotTarget().Words;

    /// <summary>What was read and not yet taken, an extent of memory, and the outline.</summary>
    public override long AllocationLimit(int length) => (6L << 20) + (64L * length);

    public override void Read(byte[] octets, Random random)
    {
        var again = ForeignBer.Import(octets, imported => imported.Write());
        if (!octets.AsSpan().SequenceEqual(again)) throw new InvalidOperationException("the file comes out changed");
    }

    protected override IEnumerable<byte[]> Golden() => GoldenFiles.Of("Ber", "*.ber");
}
