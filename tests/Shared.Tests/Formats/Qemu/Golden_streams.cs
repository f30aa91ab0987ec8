using System.Text.RegularExpressions;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Streams that real QEMUs wrote, read to the last octet.</summary>
public sealed partial class Golden_streams
{
    public static TheoryData<string> Names => [.. Vectors.Names];

    public static TheoryData<string> NamesWithDigest => [.. Vectors.Names.Where(n => Vectors.RamDigest(n) is not null)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Every_device_is_cut_and_every_octet_of_it_has_a_name(string name)
    {
        var (_, part) = await Vectors.ParseAsync(name);

        Assert.InRange(part.Devices.Count, name.StartsWith("virt", StringComparison.Ordinal) ? 15 : 30, 45);
        Assert.True(part.HasOwnDescription);
        Assert.Equal(part.Description.Devices.Select(d => d.Name), part.Devices.Select(d => d.Name));
        Assert.All(part.Devices, device =>
        {
            Assert.True(device.IsDescribed);
            var fields = DeviceFields.Read(device);
            var headers = SubsectionHeaders(device.Description!.State);
            Assert.Equal(device.Payload.Length, fields.Sum(f => f.Size) + headers.Sum());
        });
    }

    [Theory]
    [MemberData(nameof(NamesWithDigest))]
    public async Task The_memory_is_what_the_guest_had(string name)
    {
        var (memory, _) = await Vectors.ParseAsync(name);

        Assert.Equal(Vectors.RamDigest(name), memory.Digest("ram0"));
    }

    [Fact]
    public async Task Sections_are_where_an_independent_reader_found_them()
    {
        var (memory, part) = await Vectors.ParseAsync("toy8");
        var expected = Vectors.Text("toy8.sections.txt").Split('\n').Select(l => SectionLine().Match(l)).Where(m => m.Success).ToList();
        var actual = part.Devices.Select(d =>
            $"{d.StreamOffset} {d.Name}/{d.Instance} v{d.Version} id{d.SectionId} {d.Payload.Length}");

        Assert.Equal(expected.Select(m => $"{m.Groups[1]} {m.Groups[2]} {m.Groups[3]}"), actual);
        Assert.Equal("pc-i440fx-7.2", memory.Configuration.MachineName);
        Assert.Equal(["Start ram", "/Start ram", "Part ram", "/Part ram", "End ram", "/End ram", "end"], memory.Marks);
        Assert.Equal(
            [
                "ram0 8388608", "/rom@etc/acpi/tables 131072", "pc.bios 262144", "pc.rom 131072", "/rom@etc/table-loader 4096",
                "/rom@etc/acpi/rsdp 4096",
            ],
            memory.Blocks.Select(b => $"{b.Name} {b.Length}"));
        Assert.Equal(memory.Blocks.Sum(b => b.Length) / 4096, memory.PagesReported);
    }

    [Fact]
    public async Task Shared_blocks_are_listed_with_an_address_and_have_no_pages()
    {
        var (memory, _) = await Vectors.ParseAsync("toy8-ignore-shared");

        Assert.Equal([QemuCapability.IgnoreShared], memory.Configuration.Capabilities);
        Assert.Equal("ram0", memory.Blocks[0].Name);
        Assert.Equal([0ul, 0, 0xfffc0000, 0xc0000, 0, 0], memory.Blocks.Select(b => b.Address!.Value));
        Assert.DoesNotContain(memory.Pages.Keys, p => p.Block == 0);
        Assert.Equal(memory.Blocks.Skip(1).Sum(b => b.Length) / 4096, memory.Pages.Count);
    }

    [Fact]
    public async Task Live_streams_send_pages_again_and_the_last_one_wins()
    {
        var (memory, _) = await Vectors.ParseAsync("xbzrle-7.2");

        Assert.True(memory.PagesReported > memory.Pages.Count);
        Assert.True(memory.Marks.Count(m => m == "Part ram") > 5);
        Assert.Equal(Vectors.RamDigest("xbzrle-7.2"), memory.Digest("ram0"));
    }

    [Fact]
    public async Task A_background_snapshot_has_no_end_section()
    {
        var (memory, part) = await Vectors.ParseAsync("background-7.2");

        Assert.DoesNotContain("End ram", memory.Marks);
        Assert.Equal("end", memory.Marks[^1]);
        Assert.Equal(31, part.Devices.Count);
    }

    [Fact]
    public async Task Dirty_bitmaps_are_told_apart()
    {
        var (memory, _) = await Vectors.ParseAsync("dirty-bitmap-7.2");

        // 3 MiB of disk are 6144 sectors; the second MiB was written: bits 16 to 31 of 64 KiB each.
        Assert.Equal(
            [
                "d0/off 65536 0+0", "d0/b0 65536 enabled 0+0", "d0/off  0+6144", "d0/b0  0+6144 0000ffff",
                "d0/off  complete 0+0", "d0/b0  complete 0+0",
            ],
            memory.Bitmaps.Select(b => b.TrimEnd()));
    }

    [Fact]
    public async Task Disk_contents_are_told_apart()
    {
        var (memory, _) = await Vectors.ParseAsync("block-7.2");

        var disk = memory.Disk.ToArray();
        Assert.Equal(3 << 20, disk.Length);
        Assert.Equal(-1, disk.AsSpan(0, 2 << 20).IndexOfAnyExcept((byte)0));
        Assert.Equal(string.Concat(Enumerable.Repeat("disk", 1 << 18)), System.Text.Encoding.ASCII.GetString(disk.AsSpan(2 << 20)));
    }

    [Fact]
    public async Task Devices_in_front_of_the_memory_are_early()
    {
        var (memory, part) = await Vectors.ParseAsync("early-10.0");

        var early = Assert.Single(part.Devices, d => d.IsEarly);
        Assert.EndsWith("/virtio-mem-device-early", early.Name, StringComparison.Ordinal);
        Assert.Same(early, part.Devices[0]);
        Assert.True(DeviceFields.Read(early).TryGet("tmp.region_size", out var size));
        Assert.Equal(4ul << 20, size.ToUInt64());
        Assert.Equal("/Start ram", memory.Marks[1]);
    }

    [Fact]
    public async Task Old_style_devices_are_one_field()
    {
        var (_, part) = await Vectors.ParseAsync("q35-devices-7.2");

        var slirp = Assert.Single(part.Devices, d => d.Name == "slirp");
        var field = Assert.Single(DeviceFields.Read(slirp));
        Assert.Equal(("data", "buffer", slirp.Payload.Length), (field.Path, field.Type, field.Size));
    }

    [Theory]
    [InlineData("mapped-ram-10.0")]
    [InlineData("mapped-ram-multifd-10.0")]
    public async Task Pages_of_a_mapped_file_are_read_by_their_place(string name)
    {
        var (memory, _) = await Vectors.ParseAsync(name);

        Assert.Equal([QemuCapability.MappedRam], memory.Configuration.Capabilities);
        Assert.Equal(memory.Blocks.Sum(b => b.Length) / 4096, memory.PagesReported);
        Assert.All(memory.Blocks, b => Assert.Equal(0, b.PagesOffset % (1 << 20)));
    }

    [Fact]
    public async Task A_mapped_file_may_stand_inside_another_file()
    {
        byte[] file = [.. "in front of it"u8, .. Vectors.Stream("mapped-ram-10.0")];
        var memory = new CollectedMemory();
        using var input = new MemoryStream(file) { Position = 14 };
        await QemuStreamParser.ParseAsync(input, memory);

        Assert.Equal(Vectors.RamDigest("mapped-ram-10.0"), memory.Digest("ram0"));
    }

    private static IEnumerable<int> SubsectionHeaders(StateDescription state)
    {
        // Structures that are taken apart hold their subsections' headers too.
        foreach (var part in state.Subsections)
        {
            yield return 1 + 1 + part.Name.Length + 4;
            foreach (var inner in SubsectionHeaders(part)) yield return inner;
        }

        foreach (var member in state.Fields.Where(f => f.State is { } s && s.WireLength == f.Size))
        {
            for (var i = 0; i < (member.ArrayLength ?? 1); i++)
            {
                foreach (var inner in SubsectionHeaders(member.State!)) yield return inner;
            }
        }
    }

    [GeneratedRegex(@"^ +(\d+) FULL +(\S+ v\d+ id\d+) +payload=(\d+)", RegexOptions.CultureInvariant)]
    private static partial Regex SectionLine();
}
