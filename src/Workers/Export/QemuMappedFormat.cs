using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>A mapped-ram file for QEMU 9.0 and newer: every page at its fixed place, zero pages of RAM as holes.</summary>
internal sealed class QemuMappedFormat : ExportFormat
{
    private static readonly byte[] ZeroPage = new byte[Paging.PageSize];

    public override string Name => "qemu-mapped";

    public override string Title => "QEMU mapped-ram file (QEMU 9.0 and newer)";

    public override bool NeedsFile => true;

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        var stream = new MigrationStream(exporter.Guest);
        var writer = new MappedRamWriter(exporter.Output.Handle);
        var devices = stream.Devices;
        await writer.BeginAsync(stream.Configuration, stream.Blocks, devices.Where(device => device.IsEarly), cancellation);
        WriteZeroPagesOfRoms(writer, exporter.Guest);
        // Every page has its place, so the order does not matter: the fastest one it is.
        await exporter.Guest.Reader.ReadPagesAsync(
            (block, pages, octets) =>
            {
                var start = (long)pages.Extent * Paging.ExtentSize;
                foreach (var (first, count) in PageRuns.Of(pages.Present))
                {
                    writer.WritePages(block, start + ((long)first * Paging.PageSize), octets[..(count * Paging.PageSize)]);
                    octets = octets[(count * Paging.PageSize)..];
                }
            },
            Environment.ProcessorCount, exporter.Progress, cancellation);
        await writer.EndMemoryAsync(cancellation);
        foreach (var device in devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        await writer.CompleteAsync(cancellation);
        return exporter.Output.Stream.Length;
    }

    /// <summary>A receiver before QEMU 10 leaves absent pages as they are, which is right for fresh RAM and wrong for a ROM it has filled itself.</summary>
    private static void WriteZeroPagesOfRoms(MappedRamWriter writer, StoredGuest guest)
    {
        for (var block = 0; block < guest.Blocks.Count; block++)
        {
            if (!guest.Blocks[block].IsReadOnly) continue;
            for (long page = 0; page < guest.Blocks[block].PageCount; page++)
            {
                var (extent, bit) = Math.DivRem(page, Paging.PagesPerExtent);
                if ((guest.Reader.Manifest.PresentPages(block, (int)extent) >> (int)bit & 1) == 0)
                    writer.WritePages(block, page * Paging.PageSize, ZeroPage);
            }
        }
    }
}
