using System.Collections.Concurrent;
using Cutpoint.Formats.Kdump;
using Cutpoint.Guests;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Export;

/// <summary>
/// A compressed dump for crash and makedumpfile. Chunks of memory are decoded, compressed on all processors and written in their order:
/// <code>
/// sections ─▶ chunks in order of addresses (decoded ahead) ─▶ compress (in parallel, ordered) ─▶ descriptors and pages
/// </code>
/// </summary>
internal sealed class KdumpFormat(KdumpCompression compression) : ExportFormat
{
    private static readonly int Slots = Environment.ProcessorCount + 2;

    public override string Name => $"kdump-{compression.ToString().ToLowerInvariant()}";

    public override string Title => $"compressed dump ({compression.ToString().ToLowerInvariant()}) for crash and makedumpfile, flattened";

    public override bool HasPlainForm => true;

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        var guest = await DumpedGuest.LoadAsync(exporter, cancellation);
        var blockSize = (ulong)guest.Processors.BlockSize;
        if (guest.Runs.FirstOrDefault(run => run.Address % blockSize != 0 || run.Offset % blockSize != 0) is { } askew)
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the guest's memory from {askew.Address:#x} on does not begin with a page of {blockSize} octets, as kdump files of its architecture have them",
                "export it as elf") { IsPreflight = true };
        return exporter.Plain ? await WritePlainAsync(exporter, guest, cancellation) : await WriteFlattenedAsync(exporter, guest, cancellation);
    }

    private async Task<long> WritePlainAsync(Exporter exporter, DumpedGuest guest, CancellationToken cancellation)
    {
        var image = new RawImage(exporter.Output);
        var writer = Writer(guest, image);
        await WriteAsync(exporter, guest, writer, _ => ValueTask.CompletedTask, cancellation);
        await image.CompleteAsync(writer.Length, cancellation);
        return writer.Length;
    }

    private async Task<long> WriteFlattenedAsync(Exporter exporter, DumpedGuest guest, CancellationToken cancellation)
    {
        var buffer = new OutputBuffer(exporter.Output.Stream);
        var flattened = new FlattenedOutput(buffer);
        flattened.Begin();
        await WriteAsync(exporter, guest, Writer(guest, flattened), buffer.FlushIfFullAsync, cancellation);
        flattened.Complete();
        await buffer.FlushAsync(cancellation);
        return buffer.Position;
    }

    private KdumpWriter Writer(DumpedGuest guest, IPlacedOutput output) =>
        new(guest.Target, guest.Processors, guest.GuestNote, guest.Ranges, compression, output);

    private async Task WriteAsync(
        Exporter exporter, DumpedGuest guest, KdumpWriter writer, Func<CancellationToken, ValueTask> flush, CancellationToken cancellation)
    {
        while (writer.TryWriteHead()) await flush(cancellation);
        var codec = KdumpCodecs.For(compression);
        var blockSize = guest.Processors.BlockSize;
        // Buffers are used again: the first touch of fresh memory costs more than filling it.
        var free = new ConcurrentBag<KdumpPages>();
        long done = 0;
        await using var stage = new OrderedStage<PageChunk, KdumpPages>(
            1, Slots,
            chunk => Compress(chunk, blockSize, free.TryTake(out var pages) ? pages : new KdumpPages(codec, compression, blockSize, Paging.SectionSize / blockSize)),
            async (pages, _) =>
            {
                writer.Write(pages);
                done += (long)pages.Count * blockSize;
                free.Add(pages);
                // Not the stage's token: it is cancelled at the end, when the last piece is still being written.
                await flush(cancellation);
                exporter.Progress?.Report(done);
            },
            cancellation);
        try
        {
            var parts = guest.Runs.Select(exporter.Guest.PartOf);
            // The stage holds one chunk that waits and one in each slot.
            await foreach (var chunk in exporter.Guest.Reader.ReadInOrderAsync(parts, Exporter.Chunks + Slots + 1, cancellation))
                await stage.AddAsync(chunk, stage.Ending);
        }
        catch (OperationCanceledException) when (stage.Fault is not null)
        {
            // The stage's own fault is the cause; its completion tells it.
        }
        stage.Complete();
        await stage.Completion;
        writer.Complete();
        foreach (var pages in free) pages.Dispose();
    }

    private static KdumpPages Compress(PageChunk chunk, int blockSize, KdumpPages pages)
    {
        using (chunk)
        {
            pages.Clear();
            if (blockSize != Paging.PageSize)
            {
                LargePages.Add(chunk, blockSize, pages);
                return pages;
            }
            foreach (var page in ChunkPages.Of(chunk))
            {
                if (page.IsZero) pages.AddZero();
                else pages.Add(page.Octets);
            }
        }
        return pages;
    }
}
