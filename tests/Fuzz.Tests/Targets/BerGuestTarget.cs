using System.Text;
using Cutpoint.Formats.Ber;
using Cutpoint.Workers.Export;

namespace Cutpoint.Fuzz.Targets;

/// <summary>BER snapshots that become guests again: configuration, descriptions and states on top of the grammar.</summary>
public sealed class BerGuestTarget : FuzzTarget
{
    public override string Name => "ber-guest";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x00], [0x02, 0x01], [0x04], [0x0c], [0x30, 0x80], [0x80], [0xff], [0x00, 0x00], .. VmDescriptionTarget.JsonWords, Encoding.ASCII.GetBytes("cutpoint/")];

    public override void Read(byte[] octets, Random random)
    {
        var guest = BerGuestReader.ReadAsync(new MemoryStream(octets), new PageKeeper()).GetAwaiter().GetResult();
        if (guest.Attachments.TryGetValue(GuestAttachment.Name, out var attachment)) _ = GuestAttachment.Read(attachment).CommandLine.Count;
    }

    protected override IEnumerable<byte[]> Golden()
    {
        var guest = SmallGuest.OfAsync("q35-devices-10.0").GetAwaiter().GetResult();
        yield return guest.Without(largerThan: 200, most: 2).AsBer();
        yield return guest.Without(largerThan: 1000, most: 8).AsBer();
        yield return guest.AsBer();
    }
}
