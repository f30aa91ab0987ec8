using System.Buffers.Binary;
using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Where blocks appear in guest-physical memory, judged by QEMU's own view and by its dump.</summary>
public sealed class Physical_map
{
    private static readonly QemuConfiguration Pc = new("pc-i440fx-7.2");
    private static readonly QemuConfiguration Q35 = new("pc-q35-7.2");

    public static TheoryData<string> NamesWithView =>
        ["pc-7.2", "q35-devices-7.2", "q35-devices-10.0", "pc-5g-ignore-shared-7.2", "q35-5g-ignore-shared-10.0", "early-10.0", "virt-7.2"];

    [Theory]
    [MemberData(nameof(NamesWithView))]
    public async Task The_derived_map_is_the_monitors_view(string name)
    {
        var (memory, part) = await Vectors.ParseAsync(name);

        var derived = GuestPhysicalMap.Derive(memory.Configuration, memory.Blocks, part.Devices);
        var shown = GuestPhysicalMap.ParseFlatView(Vectors.Text(name + ".mtree.txt"), memory.Blocks);

        Assert.Equal(Joined(shown), Joined(derived));
    }

    [Fact]
    public async Task Memory_put_together_by_the_map_is_that_of_QEMUs_dump()
    {
        var (memory, part) = await Vectors.ParseAsync("pc-7.2");
        var map = GuestPhysicalMap.Derive(memory.Configuration, memory.Blocks, part.Devices);
        var contents = memory.Blocks.ToDictionary(b => b.Name, b => memory.Block(b.Name));
        var loads = ReadLoads(Vectors.Unpack("pc-7.2.elf.gz"));

        Assert.Equal(loads.Select(l => (l.Address, (ulong)l.Memory.Length)), Merged(map));
        foreach (var (address, expected) in loads)
        {
            for (ulong at = 0; at < (ulong)expected.Length; at += 4096)
            {
                var range = map.Find(address + at)!;
                var offset = range.Offset + (long)(address + at - range.Address);
                Assert.True(expected.Span.Slice((int)at, 4096).SequenceEqual(contents[range.Block].AsSpan((int)offset, 4096)),
                    $"{address + at:x}");
            }
        }
    }

    [Fact]
    public async Task Without_the_firmware_having_run_ROM_lies_below_one_mebibyte()
    {
        var (memory, part) = await Vectors.ParseAsync("pc-5g-ignore-shared-7.2");
        var map = GuestPhysicalMap.Derive(memory.Configuration, memory.Blocks, part.Devices);

        Assert.Equal(new PhysicalRange(0xc0000, 0x20000, "pc.rom", 0, true), map.Find(0xc8000));
        Assert.Equal(new PhysicalRange(0xf0000, 0x10000, "pc.bios", 0, true), map.Find(0xfffff));
        Assert.Equal(new PhysicalRange(0x1_0000_0000, 0x8000_0000, "ram0", 0xc000_0000), map.Find(0x1_0000_0000));
        Assert.Null(map.Find(0xc000_0000));
        Assert.Null(map.Find(ulong.MaxValue));
    }

    [Theory]
    [InlineData("pc", 0xdffff000, null, 0xdffff000)]
    [InlineData("pc", 0xe0000000, null, 0xc0000000)]
    [InlineData("pc", 0x180000000, 0x80000000ul, 0x80000000)]
    [InlineData("pc", 0x180000000, 0xf0000000ul, 0xc0000000)]
    [InlineData("q35", 0xaffff000, null, 0xaffff000)]
    [InlineData("q35", 0xb0000000, null, 0x80000000)]
    [InlineData("q35", 0x180000000, 0x40000000ul, 0x40000000)]
    public async Task Memory_is_split_below_4_GiB_by_the_rule_of_the_machine(string machine, long size, ulong? option, ulong low)
    {
        var (_, part) = await Vectors.ParseAsync(machine == "pc" ? "pc-5g-ignore-shared-7.2" : "q35-5g-ignore-shared-10.0");

        var map = GuestPhysicalMap.Derive(machine == "pc" ? Pc : Q35, [new QemuRamBlock("pc.ram", size)], part.Devices, option);

        Assert.Equal(low, map.Ranges.Where(r => r.Address < 1ul << 32).Max(r => r.Address + r.Length));
        Assert.Equal((ulong)size - low, map.Ranges.Where(r => r.Address >= 1ul << 32).Aggregate(0ul, (sum, r) => sum + r.Length));
    }

    [Fact]
    public async Task What_is_not_known_is_refused_with_advice()
    {
        var (memory, part) = await Vectors.ParseAsync("pc-7.2");

        SnapshotException Refused(string machine, params QemuRamBlock[] more) => Assert.Throws<SnapshotException>(
            () => GuestPhysicalMap.Derive(new QemuConfiguration(machine), [.. memory.Blocks, .. more], part.Devices));

        Assert.Contains("'microvm'", Refused("microvm").Message, StringComparison.Ordinal);
        Assert.Contains("2 blocks", Refused("pc-i440fx-7.2", new QemuRamBlock("dimm0", 1 << 20)).Message, StringComparison.Ordinal);
        Assert.Contains("'0000:00:09.0/nv0'", Refused("pc-i440fx-7.2", new QemuRamBlock("0000:00:09.0/nv0", 1 << 20)).Message,
            StringComparison.Ordinal);
        Assert.Contains("info mtree -f", Refused("microvm").Advice!, StringComparison.Ordinal);
        Assert.Contains("host bridge", Assert.Throws<SnapshotException>(() => GuestPhysicalMap.Derive(Pc, memory.Blocks, [])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_region_is_found_behind_the_device_it_belongs_to_unless_two_fit()
    {
        const string view = """
            FlatView #0
             AS "I/O", root: io
             Root memory region: io
              0000000000000000-0000000000000fff (prio 0, ram): pc.ram

            FlatView #1
             AS "other", root: x
             AS "memory", root: system
             Root memory region: system
              0000000000000000-0000000000001fff (prio 0, ram): pc.ram KVM
              0000000000002000-0000000000002fff (prio 0, rom): pc.ram @0000000000001000
              00000000e0000000-00000000e0000fff (prio 1, ram): vga.vram
              00000000f0000000-00000000f0000fff (prio 1, ram): two.vram
              00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi
              00000000fff00000-00000000ffffffff (prio 0, romd): system.flash0

            FlatView #2
             AS "later", root: y
              0000000000004000-0000000000004fff (prio 0, ram): pc.ram
            """;

        var map = GuestPhysicalMap.ParseFlatView(view.ReplaceLineEndings("\r\n"), [
            new("pc.ram", 0x2000), new("0000:00:02.0/vga.vram", 0x1000),
            new("0000:00:03.0/two.vram", 0x1000), new("0000:00:04.0/two.vram", 0x1000),
            new("system.flash0", 0x80000)]);

        Assert.Equal(
            [
                new PhysicalRange(0, 0x2000, "pc.ram", 0), new PhysicalRange(0x2000, 0x1000, "pc.ram", 0x1000, true),
                new PhysicalRange(0xe0000000, 0x1000, "0000:00:02.0/vga.vram", 0),
                new PhysicalRange(0xfff00000, 0x80000, "system.flash0", 0, true),
            ],
            map.Ranges);
        Assert.Throws<MalformedInputException>(() => GuestPhysicalMap.ParseFlatView("nothing", []));
    }

    private static List<(ulong Address, ulong Length, string Block, long Offset)> Joined(GuestPhysicalMap map)
    {
        var joined = new List<(ulong Address, ulong Length, string Block, long Offset)>();
        foreach (var r in map.Ranges)
        {
            var last = joined.Count > 0 ? joined[^1] : default;
            if (last.Block == r.Block && last.Address + last.Length == r.Address && last.Offset + (long)last.Length == r.Offset)
                joined[^1] = last with { Length = last.Length + r.Length };
            else
                joined.Add((r.Address, r.Length, r.Block, r.Offset));
        }

        return joined;
    }

    private static List<(ulong Address, ulong Length)> Merged(GuestPhysicalMap map)
    {
        var merged = new List<(ulong Address, ulong Length)>();
        foreach (var r in map.Ranges)
        {
            if (merged.Count > 0 && merged[^1].Address + merged[^1].Length == r.Address)
                merged[^1] = (merged[^1].Address, merged[^1].Length + r.Length);
            else
                merged.Add((r.Address, r.Length));
        }

        return merged;
    }

    private static List<(ulong Address, ReadOnlyMemory<byte> Memory)> ReadLoads(byte[] elf)
    {
        long At(int offset) => BinaryPrimitives.ReadInt64LittleEndian(elf.AsSpan(offset));
        var loads = new List<(ulong, ReadOnlyMemory<byte>)>();
        var table = (int)At(32);
        for (var i = 0; i < BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan(56)); i++)
        {
            var header = table + 56 * i;
            if (BinaryPrimitives.ReadInt32LittleEndian(elf.AsSpan(header)) == 1)
                loads.Add(((ulong)At(header + 24), elf.AsMemory((int)At(header + 8), (int)At(header + 32))));
        }

        return [.. loads.OrderBy(l => l.Item1)];
    }
}
