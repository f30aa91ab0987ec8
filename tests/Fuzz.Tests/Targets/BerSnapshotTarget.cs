using Cutpoint.Formats.Ber;

namespace Cutpoint.Fuzz.Targets;

/// <summary>BER snapshots of any writer: tokens, grammar, states as trees, both read modes.</summary>
public sealed class BerSnapshotTarget : FuzzTarget
{
    public override string Name => "ber";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        [0x00], [0x01], [0x02], [0x04], [0x05], [0x0c], [0x1f], [0x20], [0x24, 0x80], [0x2c, 0x80], [0x30, 0x80], [0x7f], [0x80], [0x81], [0x82], [0x84], [0x88], [0x89], [0xfe],
        [0xff], [0x00, 0x00], [0x7f, 0x8f, 0x53, 0x80], [0x7f, 0x81, 0x53, 0x80], [0x7f, 0xcc, 0x52, 0x80], [0x7f, 0xc5, 0x52, 0x80], [0x7f, 0xd3, 0x4c, 0x80],
        [0x7f, 0xd3, 0x53, 0x80], [0x7f, 0x81, 0x9c, 0x20, 0x80], [0x04, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];

    public override void Read(byte[] octets, Random random)
    {
        var mode = random.Next(2) == 0 ? BerReadMode.Strict : BerReadMode.SeedCompatible;
        using var reader = random.Next(2) == 0 ? new BerSnapshotReader(octets, mode) : new BerSnapshotReader(new MemoryStream(octets), mode);
        var asTrees = random.Next(2) == 0;
        var events = 0;
        while (reader.Read())
        {
            if (++events > octets.Length) throw new InvalidOperationException("more events than octets");
            _ = reader.Path;
            if (asTrees && reader.Event == BerSnapshotEvent.GroupStart) reader.ReadState();
        }

        var spans = new BerSpanReader(octets);
        while (!spans.IsAtEnd) _ = spans.ReadValue();
    }

    protected override IEnumerable<byte[]> Golden() => GoldenFiles.Of("Ber", "*.ber");
}
