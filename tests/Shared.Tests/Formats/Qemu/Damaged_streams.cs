using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Streams cut short: always a typed error. Streams changed at random are the fuzz targets' part.</summary>
public sealed class Damaged_streams
{
    [Fact]
    public void The_stream_of_this_test_is_sound()
    {
        var (memory, part) = Parse(EveryRecord.Stream, keepsDisk: true);

        Assert.Equal(["e", "cpu", "x"], part.Devices.Select(d => d.Name));
        Assert.Equal(4, memory.Pages.Count);
        Assert.Equal(4, memory.Bitmaps.Count);
        Assert.Equal(1 << 20, memory.Disk.Length);
        Assert.Equal([1, 3, 1], part.Devices.Select(d => DeviceFields.Read(d).Count));
    }

    [Fact]
    public void Every_cut_is_noticed()
    {
        for (var length = 0; length < EveryRecord.Stream.Length; length++) Assert.Throws<MalformedInputException>(() => Parse(EveryRecord.Stream.AsSpan(0, length)));
    }

    [Fact]
    public async Task Every_cut_is_noticed_in_streams_of_QEMU()
    {
        (string Name, int Dense)[] streams =
            [("pc-5g-ignore-shared-7.2", 400), ("q35-5g-ignore-shared-10.0", 100), ("mapped-ram-10.0", 20)];
        foreach (var (name, dense) in streams)
        {
            var stream = Vectors.Stream(name);
            // Every octet of the start, of the end and of the switch to the devices; others at a distance that is no power of two.
            var (_, part) = await Vectors.ParseAsync(stream);
            var devices = (int)part.Devices[0].StreamOffset;
            var cuts = Enumerable.Range(0, dense).Concat(Enumerable.Range(devices - dense / 2, dense))
                .Concat(Enumerable.Range(stream.Length - dense, dense))
                .Concat(Enumerable.Range(1, 60).Select(i => (int)((long)stream.Length * i / 61)));
            foreach (var cut in cuts) Assert.Throws<MalformedInputException>(() => Parse(stream.AsSpan(0, cut)));
        }
    }

    private static (CollectedMemory Memory, QemuDevicePart Part) Parse(ReadOnlySpan<byte> stream, bool keepsDisk = false)
    {
        if (stream.IndexOf("mapped-ram"u8) is >= 0 and < 200) return Vectors.ParseAsync(stream.ToArray()).GetAwaiter().GetResult();
        var memory = new CollectedMemory { KeepsDisk = keepsDisk };
        var parser = new QemuStreamParser(memory);
        parser.Consume(stream);
        return (memory, parser.Complete());
    }
}
