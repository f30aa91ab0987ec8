using System.Globalization;
using System.IO.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;
using static Cutpoint.Shared.Tests.Formats.Qemu.StreamBuilder;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Streams cut short or changed: always a typed error or a sound result, in little memory.</summary>
public sealed class Damaged_streams
{
    /// <summary>The most one small stream may cost: its own octets a few times, pages kept by the test, a description's objects.</summary>
    private const long AllocationLimit = 64 << 20;

    /// <summary>A stream of a few kilobytes with every kind of record.</summary>
    private static readonly byte[] Every = new StreamBuilder()
        .Header().U8(8).U16(1).U16(0)
        .Start(2, "ram").Word(4 * Page, 4).Name("ram0").U64(3 * Page).Name("rom").U64(Page).EndRound()
        .Start(3, "dirty-bitmap", 1).U8(1).Footer(3)
        .Start(4, "block", 1).U64(2).Footer(4)
        .Device(9, "e", 1, [1, 2])
        .Part(2).Word(0, 8).Name("ram0").Fill(Page, 7).Word(Page, 0x22).U8(0).Word(0, 0x60).U8(1).U16(4).U8(0, 2, 9, 9)
        .Word(2 * Page, 0x120).U32((uint)Zlib.Length).Raw(Zlib).Word(0, 2).Name("rom").U8(0).EndRound()
        .Part(3).U8(0x1c).Name("node").Name("bits").U32(65536).U8(1).U8(0x40).U64(0).U32(512).U64(8).Fill(8, 1).U8(0x42).U64(512).U32(9)
            .U8(0x21).Footer(3)
        .Part(4).U64(0x9).Name("disk").U64(2).Footer(4)
        .U8(8).U16(11).U16(0)
        .U8(3).U32(2).EndRound()
        .Device(12, "cpu", 3, [1, 2, 3, 4, 5, 8, .. "cpu/more"u8, 0, 0, 0, 1, 6]).Device(13, "x", 1, [1, 2, 3, 4])
        .End(Describe("e", 1, Field("v", "uint16", 2)) + """
            ,{"name":"cpu","instance_id":0,"vmsd_name":"cpu","version":3,"fields":[{"name":"a","array_len":2,"type":"uint16","size":2}],
            "subsections":[{"vmsd_name":"cpu/more","version":1,"fields":[{"name":"m","type":"uint8","size":1}]}]},
            """ + Describe("x", 1, Struct("s", 4, Field("w", "uint32", 4))))
        .ToArray();

    private static byte[] Zlib
    {
        get
        {
            var packed = new MemoryStream();
            using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, true)) zlib.Write(new byte[Page]);
            return packed.ToArray();
        }
    }

    [Fact]
    public void The_stream_of_this_test_is_sound()
    {
        var (memory, part) = Parse(Every, keepsDisk: true);

        Assert.Equal(["e", "cpu", "x"], part.Devices.Select(d => d.Name));
        Assert.Equal(4, memory.Pages.Count);
        Assert.Equal(4, memory.Bitmaps.Count);
        Assert.Equal(1 << 20, memory.Disk.Length);
        Assert.Equal([1, 3, 1], part.Devices.Select(d => DeviceFields.Read(d).Count));
    }

    [Fact]
    public void Every_cut_is_noticed()
    {
        for (var length = 0; length < Every.Length; length++) Assert.Throws<MalformedInputException>(() => Parse(Every.AsSpan(0, length)));
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

    [Fact]
    public void Mutations_never_do_worse_than_a_typed_error()
    {
        var cases = int.Parse(Environment.GetEnvironmentVariable("CUTPOINT_FUZZ_CASES") ?? "10000", CultureInfo.InvariantCulture);
        // Most cases change the small stream, which has most kinds of records for its octets.
        byte[][] seeds =
            [Every, Vectors.Stream("pc-5g-ignore-shared-7.2"), Vectors.Stream("early-10.0"), Vectors.Stream("mapped-ram-10.0")];
        for (var seed = 0; seed < cases; seed++)
        {
            // The seed is in the message of a failure: the case can be made again.
            var random = new Random(seed);
            var stream = Mutate(seeds[seed % 97 == 0 ? random.Next(seeds.Length) : 0], random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var (_, part) = Parse(stream);
                foreach (var device in part.Devices) DeviceFields.Read(device);
                _ = GuestPhysicalMap.Derive(new QemuConfiguration("pc-i440fx-7.2"), [new QemuRamBlock("ram0", 3 * Page)], part.Devices);
                _ = X86CpuState.ReadAll(part.Devices);
            }
            catch (SnapshotException)
            {
                // Refused, as it should be.
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}: {e}");
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > AllocationLimit) Assert.Fail($"seed {seed}: {allocated} octets allocated for {stream.Length}");
        }
    }

    private static byte[] Mutate(byte[] stream, Random random)
    {
        var mutated = (byte[])stream.Clone();
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            var at = random.Next(mutated.Length);
            switch (random.Next(5))
            {
                case 0:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    mutated[at] = (byte)random.Next(256);
                    break;
                case 2:
                    mutated[at] = random.Next(2) == 0 ? (byte)0 : (byte)0xff;
                    break;
                case 3:
                    // Octets missing.
                    mutated = [.. mutated[..at], .. mutated[Math.Min(mutated.Length, at + random.Next(1, 40))..]];
                    if (mutated.Length == 0) return [0];
                    break;
                default:
                    // Octets twice.
                    mutated = [.. mutated[..at], .. mutated[Math.Max(0, at - random.Next(1, 40))..]];
                    break;
            }
        }

        return mutated;
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
