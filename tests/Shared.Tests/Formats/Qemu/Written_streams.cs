using System.Buffers;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>What is written reads as what was read. That QEMU itself loads it is shown where QEMU runs.</summary>
public sealed class Written_streams
{
    public static TheoryData<string> Names => [.. Vectors.Names.Where(n => !n.Contains("mapped", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_stream_written_again_has_the_same_pages_and_devices(string name)
    {
        var (memory, part) = await Vectors.ParseAsync(name);

        var (again, partAgain) = await Vectors.ParseAsync(Write(memory, memory.Configuration, part.Devices));

        AssertSame(memory, part, again, partAgain);
        Assert.Equal(memory.Blocks, again.Blocks);
        Assert.Equal(memory.Configuration.Capabilities, again.Configuration.Capabilities);
    }

    [Fact]
    public async Task A_stream_of_a_stopped_guest_is_written_as_QEMU_wrote_it()
    {
        var original = Vectors.Stream("pc-7.2");
        var (memory, part) = await Vectors.ParseAsync(original);

        var written = Write(memory, memory.Configuration, part.Devices);

        // Block list and devices to the octet; in between QEMU has the pages in another order.
        var (_, partAgain) = await Vectors.ParseAsync(written);
        var (from, to) = ((int)part.Devices[0].StreamOffset, (int)partAgain.Devices[0].StreamOffset);
        var length = (int)part.Devices[^1].StreamOffset - from;
        Assert.True(original.AsSpan(from, length).SequenceEqual(written.AsSpan(to, length)));
        Assert.True(original.AsSpan(0, 190).SequenceEqual(written.AsSpan(0, 190)));
    }

    [Fact]
    public async Task Shared_blocks_can_be_left_out_and_put_in_again()
    {
        var (memory, part) = await Vectors.ParseAsync("pc-7.2");

        var without = memory.Configuration.WithCapability(QemuCapability.IgnoreShared, true);
        var (small, _) = await Vectors.ParseAsync(Write(memory, without, part.Devices, page => page.Block != 0));
        var (whole, wholePart) = await Vectors.ParseAsync(
            Write(memory, small.Configuration.WithCapability(QemuCapability.IgnoreShared, false), part.Devices));

        Assert.Equal([QemuCapability.IgnoreShared], small.Configuration.Capabilities);
        Assert.All(small.Blocks, b => Assert.NotNull(b.Address));
        Assert.DoesNotContain(small.Pages.Keys, p => p.Block == 0);
        Assert.Empty(whole.Configuration.Capabilities);
        AssertSame(memory, part, whole, wholePart);
    }

    [Fact]
    public async Task Optional_parts_of_the_configuration_survive()
    {
        var (memory, part) = await Vectors.ParseAsync("pc-5g-ignore-shared-7.2");
        var uuid = Enumerable.Range(1, 16).Select(i => (byte)i).ToArray();
        var configuration = memory.Configuration with { TargetPageBits = 12, Uuid = uuid };

        var (again, _) = await Vectors.ParseAsync(Write(memory, configuration, part.Devices));

        Assert.Equal(12, again.Configuration.TargetPageBits);
        Assert.True(uuid.AsSpan().SequenceEqual(again.Configuration.Uuid.Span));
    }

    [Fact]
    public async Task Devices_kept_on_their_own_make_a_stream_again()
    {
        var (memory, part) = await Vectors.ParseAsync("toy8-ignore-shared");

        // As a repository would: payload and description, each by itself.
        var stored = part.Devices.Select(d => new DeviceSection(d.Name, d.Instance, d.Version, 0, d.Payload.ToArray())
        {
            Description = DeviceDescription.Parse(d.Description!.Json.ToArray()),
        });
        var (_, again) = await Vectors.ParseAsync(Write(memory, memory.Configuration, [.. stored]));

        Assert.Equal(part.Devices.Select(Show), again.Devices.Select(Show));
        Assert.All(again.Devices, d => Assert.Equal(0u, d.SectionId));
    }

    [Theory]
    [InlineData("mapped-ram-10.0")]
    [InlineData("mapped-ram-multifd-10.0")]
    public async Task A_mapped_file_is_written_as_QEMU_wrote_it(string name)
    {
        var original = Vectors.Stream(name);
        var (memory, part) = await Vectors.ParseAsync(original);

        var written = await WriteMappedAsync(memory, memory.Configuration, part.Devices);

        // Layout, headers, bitmaps and pages are the same. Only the memory's section number is another, and QEMU announces the
        // switchover, in 5 octets.
        var (again, partAgain) = await Vectors.ParseAsync(written);
        var start = written.AsSpan().IndexOf("\u0003ram"u8);
        var end = (int)(memory.Blocks[^1].PagesOffset!.Value + memory.Blocks[^1].Length);
        Assert.True(original.AsSpan(start..end).SequenceEqual(written.AsSpan(start..end)));
        Assert.Equal(part.Devices[0].StreamOffset, partAgain.Devices[0].StreamOffset + 5);
        AssertSame(memory, part, again, partAgain);
    }

    [Theory]
    [InlineData("pc-7.2")]
    [InlineData("early-10.0")]
    [InlineData("toy8-ignore-shared")]
    public async Task Any_stream_becomes_a_mapped_file(string name)
    {
        var (memory, part) = await Vectors.ParseAsync(name);

        var (again, partAgain) = await Vectors.ParseAsync(await WriteMappedAsync(memory, memory.Configuration, part.Devices));

        Assert.True(again.Configuration.IsMappedRam);
        // A block without pages is all zero in a mapped file: nothing says that its pages were left out.
        foreach (var (place, page) in memory.Pages) Assert.True(page.AsSpan().SequenceEqual(again.Pages[place]));
        Assert.Equal(part.Devices.Select(Show), partAgain.Devices.Select(Show));
    }

    [Fact]
    public void Calls_out_of_order_and_pages_that_do_not_exist_are_refused()
    {
        var writer = new QemuStreamWriter(new ArrayBufferWriter<byte>());
        Assert.Throws<InvalidOperationException>(() => writer.EndMemory());
        Assert.Throws<ArgumentException>(() => writer.Begin(new QemuConfiguration("pc") { Capabilities = [QemuCapability.MappedRam] }, []));
        writer.Begin(new QemuConfiguration("pc"), [new QemuRamBlock("a", 8192)]);
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.WriteZeroPage(0, 8192));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.WriteZeroPage(0, 100));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.WritePage(0, 0, new byte[100]));
        Assert.Throws<InvalidOperationException>(() => writer.Complete());
    }

    private static byte[] Write(
        CollectedMemory memory, QemuConfiguration configuration, IReadOnlyList<DeviceSection> devices,
        Func<(int Block, long Offset), bool>? wanted = null)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new QemuStreamWriter(output);
        writer.Begin(configuration, memory.Blocks, devices.Where(d => d.IsEarly));
        foreach (var ((block, offset), page) in memory.Pages.OrderBy(p => p.Key))
        {
            if (wanted?.Invoke((block, offset)) == false) continue;
            if (page.AsSpan().ContainsAnyExcept((byte)0)) writer.WritePage(block, offset, page);
            else writer.WriteZeroPage(block, offset);
        }

        writer.EndMemory();
        foreach (var device in devices.Where(d => !d.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        Assert.Equal(output.WrittenCount, writer.Position);
        return output.WrittenSpan.ToArray();
    }

    private static async Task<byte[]> WriteMappedAsync(
        CollectedMemory memory, QemuConfiguration configuration, IReadOnlyList<DeviceSection> devices)
    {
        var path = Path.GetTempFileName();
        try
        {
            using (var file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite))
            {
                var writer = new MappedRamWriter(file);
                await writer.BeginAsync(configuration, memory.Blocks, devices.Where(d => d.IsEarly));
                foreach (var ((block, offset), page) in memory.Pages.OrderByDescending(p => p.Key))
                {
                    if (page.AsSpan().ContainsAnyExcept((byte)0)) writer.WritePages(block, offset, page);
                }

                await writer.EndMemoryAsync();
                foreach (var device in devices.Where(d => !d.IsEarly)) writer.WriteDevice(device);
                await writer.CompleteAsync();
            }

            return await File.ReadAllBytesAsync(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void AssertSame(CollectedMemory memory, QemuDevicePart part, CollectedMemory again, QemuDevicePart partAgain)
    {
        Assert.Equal(memory.Pages.Count, again.Pages.Count);
        foreach (var (place, page) in memory.Pages) Assert.True(page.AsSpan().SequenceEqual(again.Pages[place]));
        Assert.Equal(part.Devices.Select(Show), partAgain.Devices.Select(Show));
        Assert.Equal(part.Devices.Select(d => d.SectionId), partAgain.Devices.Select(d => d.SectionId));
    }

    private static string Show(DeviceSection d) => $"{d} {d.IsEarly} {d.IsDescribed} {Convert.ToHexString(d.Payload.Span)}";
}
