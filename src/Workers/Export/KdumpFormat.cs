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
        if (guest.Processors.BlockSize != Paging.PageSize)
            throw new SnapshotException(ErrorCode.Incompatible, $"pages of {guest.Processors.BlockSize} octets are not written", "export the guest as elf")
            {
                IsPreflight = true,
            };
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
        // Buffers are used again: the first touch of fresh memory costs more than filling it.
        var free = new ConcurrentBag<KdumpPages>();
        long done = 0;
        await using var stage = new OrderedStage<PageChunk, KdumpPages>(
            1, Slots,
            chunk => Compress(chunk, free.TryTake(out var pages) ? pages : new KdumpPages(codec, compression, Paging.PageSize, Paging.PagesPerSection)),
            async (pages, _) =>
            {
                writer.Write(pages);
                done += (long)pages.Count * Paging.PageSize;
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

    private static KdumpPages Compress(PageChunk chunk, KdumpPages pages)
    {
        using (chunk)
        {
            pages.Clear();
            foreach (var page in ChunkPages.Of(chunk))
            {
                if (page.IsZero) pages.AddZero();
                else pages.Add(page.Octets);
            }
        }
        return pages;
    }
}
