using System.Text;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Qemu;
using Cutpoint.Shared.Tests.Formats.Qemu;

namespace Cutpoint.Fuzz.Targets;

/// <summary>QEMU's migration stream: sections, memory in every form, devices cut by their description, typed fields, registers and the physical map.</summary>
public sealed class QemuStreamTarget : FuzzTarget
{
    public override string Name => "qemu";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        [0x00], [0x01], [0x02], [0x03], [0x04], [0x05], [0x06], [0x07], [0x08], [0x7e], [0x10], [0x20], [0x40], [0x60], [0x7e, 0, 0, 0, 2], Encoding.ASCII.GetBytes("ram"),
        Encoding.ASCII.GetBytes("mapped-ram"), Encoding.ASCII.GetBytes("x-ignore-shared"), [0x05, 26, .. "configuration/capabilities"u8, 0, 0, 0, 1], .. VmDescriptionTarget.JsonWords,
    ];

    /// <summary>A page that is compressed costs a decompressor, which the framework cannot use again.</summary>
    public override long AllocationLimit(int length) => (8L << 20) + (64L * length);

    public override void Read(byte[] octets, Random random)
    {
        var memory = new PageKeeper();
        var part = random.Next(2) == 0 ? ReadInPieces(octets, memory, random) : QemuStreamParser.ParseAsync(new MemoryStream(octets), memory).GetAwaiter().GetResult();
        foreach (var device in part.Devices) _ = DeviceFields.Read(device).Count;
        Understand(() => GuestProcessors.Read(part.Devices).Notes(), octets.Length);
        Understand(() => GuestPhysicalMap.Derive(memory.Configuration!, memory.Blocks, part.Devices), octets.Length);
    }

    protected override IEnumerable<byte[]> Golden()
    {
        yield return EveryRecord.Stream;
        var pc = SmallGuest.OfAsync("pc-7.2").GetAwaiter().GetResult();
        yield return pc.Without(largerThan: 1200, most: 6).AsStream();
        yield return (pc with { Devices = [.. pc.Devices.Where(device => device is { Instance: 0, Name: "cpu" or "cpu_common" })] }).AsStream();
        yield return pc.AsStream();
        var arm = SmallGuest.OfAsync("virt-7.2").GetAwaiter().GetResult();
        yield return (arm with { Devices = [.. arm.Devices.Where(device => device is { Instance: 0, Name: "cpu" or "cpu_common" })] }).AsStream();
        yield return SmallGuest.OfAsync("early-10.0").GetAwaiter().GetResult().Without(largerThan: 1200, most: 6).AsStream();
        foreach (var name in (string[])["pc-5g-ignore-shared-7.2", "q35-5g-ignore-shared-10.0", "background-7.2", "xbzrle-7.2", "compress-7.2", "virt-7.2", "mapped-ram-10.0"]) yield return GoldenFiles.Of("Qemu", name + ".qmig.gz").Single();
    }

    // A stream is sound without a CPU or a known machine; the refusal must be a proper one all the same.
    private void Understand(Func<object> derive, int length)
    {
        try
        {
            _ = derive();
        }
        catch (SnapshotException error) when (error.Code == ErrorCode.Incompatible && Object(error, length) is null)
        {
        }
    }

    private static QemuDevicePart ReadInPieces(byte[] octets, PageKeeper memory, Random random)
    {
        var parser = new QemuStreamParser(memory);
        for (var at = 0; at < octets.Length;)
        {
            var length = Math.Min(octets.Length - at, 1 + random.Next(1 << random.Next(16)));
            var taken = parser.Consume(octets.AsSpan(at, length));
            // The pages of a mapped-ram file can be read from a file only.
            if (taken == 0) break;
            at += taken;
        }

        return parser.Complete();
    }
}
