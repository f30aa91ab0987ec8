using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>Dumps of a checkpoint hold its memory, whatever the format; real programs judge them in the acceptance tests.</summary>
public sealed class DumpTests(TakenToyFixture fixture) : IClassFixture<TakenToyFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-dump-").FullName;

    [Theory]
    [InlineData("kdump-zlib")]
    [InlineData("kdump-lzo")]
    [InlineData("kdump-snappy")]
    [InlineData("kdump-zstd")]
    public async Task A_kdump_file_holds_the_memory_of_the_raw_image(string format)
    {
        var image = await RawAsync();
        var file = Path.Combine(_directory, format);
        await fixture.ExportAsync(format, file);
        long pages = 0;
        await using var input = File.OpenRead(file);
        var reader = await KdumpReader.OpenAsync(input, default);
        await reader.ReadPagesAsync(
            KdumpCodecs.For, (frame, page) =>
            {
                if (frame * 4096 >= (ulong)image.Length) return;
                Assert.True(page.SequenceEqual(image.AsSpan((int)frame * 4096, 4096)), $"frame {frame}");
                pages++;
            },
            default);
        Assert.InRange(pages, (16 << 20) / 4096, (17 << 20) / 4096);
        Assert.True(reader.IsFlattened);
        Assert.Equal(format, $"kdump-{reader.Header.Compression.ToString().ToLowerInvariant()}");
    }

    [Fact]
    public async Task A_plain_file_is_what_the_flattened_one_makes()
    {
        var (flattened, plain) = (Path.Combine(_directory, "flattened"), Path.Combine(_directory, "plain"));
        await fixture.ExportAsync("kdump-zlib", flattened);
        var result = await ExportAsync(new ExportOptions { Checkpoint = "", Format = "kdump-zlib", Output = plain, Plain = true });
        await using var input = File.OpenRead(flattened);
        await using var stream = await FlattenedStream.OpenAsync(input, default);
        var made = new byte[stream.Length];
        await stream.ReadExactlyAsync(made);
        Assert.Equal(made, File.ReadAllBytes(plain));
        Assert.Equal(made.Length, result.Octets);
    }

    [Fact]
    public async Task A_range_of_a_core_is_a_part_of_the_memory()
    {
        var image = await RawAsync();
        var file = Path.Combine(_directory, "core");
        await ExportAsync(new ExportOptions { Checkpoint = "", Format = "elf", Output = file, Begin = 0x80000, Length = 0x100000 });
        await using var input = File.OpenRead(file);
        var core = await ElfCoreReader.ReadAsync(input, default);
        var octets = File.ReadAllBytes(file);
        // Without a card there is memory where its window would be.
        Assert.Equal([(0x80000ul, 0x100000ul)], core.Segments.Select(s => (s.Physical, s.Length)));
        foreach (var segment in core.Segments)
        {
            Assert.True(octets.AsSpan((int)segment.FileOffset, (int)segment.FileLength)
                .SequenceEqual(image.AsSpan((int)segment.Physical, (int)segment.Length)), $"{segment}");
        }
    }

    [Theory]
    [InlineData("elf", false)]
    [InlineData("kdump-lzo", false)]
    [InlineData("kdump-zstd", true)]
    public async Task Inspection_tells_registers_and_memory(string format, bool plain)
    {
        var file = Path.Combine(_directory, "dump");
        await ExportAsync(new ExportOptions { Checkpoint = "", Format = format, Output = file, Plain = plain });

        var inspected = await FileFormats.InspectAsync(file, default);

        Assert.Equal(format.Split('-')[0], inspected.Format);
        Assert.Equal("1", inspected.Facts.Single(fact => fact.Name == "cpus").Value);
        Assert.Equal(["CORE", "QEMU"], inspected.Units.Select(unit => unit.Name));
        string Register(int unit, string name) => inspected.Units[unit].Fields.Single(field => field.Name == name).Value;
        Assert.Equal(Register(0, "eip"), Register(1, "rip"));
        // The toy runs in protected mode below 2 MiB.
        Assert.InRange(Convert.ToInt32(Register(0, "eip"), 16), 1 << 20, 2 << 20);
        Assert.Contains(inspected.Blocks, block => block.Name == "0xfffc0000" && block.Length == 256 << 10);
        Assert.True(inspected.Blocks.Sum(block => block.ZeroPages) > 1000);
        Assert.All(inspected.Blocks, block => Assert.Equal(block.Length / 4096, block.DataPages + block.ZeroPages));
    }

    [Fact]
    public async Task A_damaged_dump_says_where()
    {
        var file = Path.Combine(_directory, "dump");
        await ExportAsync(new ExportOptions { Checkpoint = "", Format = "kdump-zlib", Output = file, Plain = true });
        using (var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite)) stream.SetLength(stream.Length - 1);
        var refused = await Assert.ThrowsAsync<Cutpoint.Formats.MalformedInputException>(() => FileFormats.InspectAsync(file, default));
        Assert.Contains("the file ends inside a page", refused.Reason, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private async Task<byte[]> RawAsync()
    {
        var file = Path.Combine(_directory, "raw");
        await fixture.ExportAsync("raw", file);
        return await File.ReadAllBytesAsync(file);
    }

    private Task<ExportResult> ExportAsync(ExportOptions options) =>
        ExportJob.RunAsync(fixture.Taken.Repository, options with { Checkpoint = fixture.Taken.Checkpoint.Id.ToString() }, null, default);
}
