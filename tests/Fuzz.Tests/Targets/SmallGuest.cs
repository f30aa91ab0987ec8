using System.Buffers;
using Cutpoint.Formats.Ber;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Export;

namespace Cutpoint.Fuzz.Targets;

/// <summary>A guest with a few pages and devices of a real stream, so that a file of it is small enough for many cases.</summary>
internal sealed record SmallGuest(QemuConfiguration Configuration, IReadOnlyList<DeviceSection> Devices)
{
    private const int Page = 4096;

    private static readonly IReadOnlyList<QemuRamBlock> Blocks = [new("ram0", 3 * Page), new("rom", Page)];

    private static readonly GuestDescription Description = new()
    {
        Driver = "qemu",
        Name = "g",
        Uri = "qemu:/run/g",
        CommandLine = ["qemu-system-x86_64", "-m", "1"],
        Blocks = [new("ram0", 3 * Page)],
        Memory = [new(0, 3 * Page, "ram0", 0)],
        Properties = new Dictionary<string, string> { ["qemu.machine"] = "pc" },
    };

    /// <summary>All devices of a golden stream.</summary>
    public static async Task<SmallGuest> OfAsync(string name)
    {
        var visitor = new PageKeeper();
        var devices = await QemuStreamParser.ParseAsync(new MemoryStream(GoldenFiles.Of("Qemu", name + ".qmig.gz").Single()), visitor);
        return new SmallGuest(visitor.Configuration!.WithCapability(QemuCapability.MappedRam, false), devices.Devices);
    }

    /// <summary>The same guest with no device of more than some octets.</summary>
    public SmallGuest Without(int largerThan, int most) =>
        this with { Devices = [.. Devices.Where(device => device.Payload.Length <= largerThan && device.Description!.Json.Length <= 2 * largerThan).Take(most)] };

    public byte[] AsStream()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new QemuStreamWriter(output);
        writer.Begin(Configuration, Blocks, Devices.Where(device => device.IsEarly));
        WritePages(writer.WritePage, writer.WriteZeroPage);
        writer.EndMemory();
        foreach (var device in Devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        return output.WrittenSpan.ToArray();
    }

    public byte[] AsBer()
    {
        var output = new ArrayBufferWriter<byte>();
        using var values = new BerWriter(output);
        var writer = new BerGuestWriter(values);
        writer.Begin(Configuration, Blocks, new Dictionary<string, ReadOnlyMemory<byte>> { [GuestAttachment.Name] = GuestAttachment.Write(Description) }, Devices.Where(device => device.IsEarly));
        WritePages(writer.WritePage, writer.WriteZeroPage);
        writer.EndMemory();
        foreach (var device in Devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        return output.WrittenSpan.ToArray();
    }

    private delegate void PageWrite(int block, long offset, ReadOnlySpan<byte> page);

    private static void WritePages(PageWrite write, Action<int, long> writeZero)
    {
        var page = new byte[Page];
        new Random(1).NextBytes(page.AsSpan(0, 64));
        write(0, 0, page);
        writeZero(0, Page);
        write(1, 0, page);
    }
}
