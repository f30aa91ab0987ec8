using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;
using Cutpoint.Shared.Tests.Formats.Elf;

namespace Cutpoint.Shared.Tests.Formats.Kdump;

/// <summary>The kdump file QEMU wrote of a stopped guest (flattened, zlib) against ours of the stream of the same guest.</summary>
public sealed class Golden_kdumps
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Formats", "Kdump", "vectors");

    [Fact]
    public async Task A_file_is_QEMUs_octet_for_octet()
    {
        var guest = await StreamGuest.OfAsync("toy8");
        var ours = KdumpBuilder.Plain(
            guest.Processors, guest.GuestNote, guest.Memory, KdumpCompression.Zlib, address => guest.Contents(new DumpRange(address, 4096)));

        // The order of records is the writer's own; what they make is not.
        using var qemus = await FlattenedStream.OpenAsync(new MemoryStream(Toy()), default);
        var expected = new byte[qemus.Length];
        await qemus.ReadExactlyAsync(expected);
        Assert.Equal(expected, ours);
    }

    [Fact]
    public async Task QEMUs_file_is_read_to_the_last_page()
    {
        var guest = await StreamGuest.OfAsync("toy8");

        var (reader, pages) = await KdumpBuilder.ReadAsync(Toy());

        Assert.True(reader.IsFlattened);
        Assert.Equal(("x86_64", KdumpCompression.Zlib, 0x100000ul, 1), (reader.Header.MachineName, reader.Header.Compression, reader.Header.FrameCount, reader.Header.CpuCount));
        Assert.Equal(["CORE", "QEMU"], reader.Notes.Select(note => note.Name));
        Assert.Equal(guest.Memory.Sum(range => (long)range.Length / 4096), pages.Count);
        Assert.All(pages, page => Assert.True(guest.Contents(new DumpRange(page.Key * 4096, 4096)).SequenceEqual(page.Value)));
    }

    private static byte[] Toy()
    {
        using var packed = new System.IO.Compression.GZipStream(
            File.OpenRead(Path.Combine(Folder, "toy8.kdump-zlib.gz")), System.IO.Compression.CompressionMode.Decompress);
        var octets = new MemoryStream();
        packed.CopyTo(octets);
        return octets.ToArray();
    }
}
