using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>Puts together the pages of up to 16 extents that lie one behind the other, from whatever sections hold them.</summary>
internal static class WindowReader
{
    /// <summary>Fills a chunk with a window, which starts and ends where one of 4 MiB does or a range ends. Disposes the chunk when it
    /// throws.</summary>
    public static PageChunk Fill(
        GuestManifest manifest, SectionCache cache, BlockRange window, PageChunk chunk, CancellationToken cancellation)
    {
        try
        {
            cancellation.ThrowIfCancellationRequested();
            chunk.Reset(window.Block, 0);
            var firstPage = window.Offset / Paging.PageSize;
            var lastPage = firstPage + (window.Length / Paging.PageSize) - 1;
            var map = manifest.Maps[window.Block];
            for (var extent = firstPage / Paging.PagesPerExtent; extent <= lastPage / Paging.PagesPerExtent; extent++)
            {
                var start = extent * Paging.PagesPerExtent;
                var wanted = PagesBetween((int)Math.Max(0, firstPage - start), (int)Math.Min(Paging.PagesPerExtent - 1, lastPage - start));
                Add(chunk, (int)extent, wanted, map.EntriesOf((int)extent), cache);
            }
            return chunk;
        }
        catch
        {
            chunk.Dispose();
            throw;
        }
    }

    /// <summary>The mask of pages from one to another, both included.</summary>
    public static ulong PagesBetween(int first, int last) =>
        (ulong.MaxValue << first) & (ulong.MaxValue >> (Paging.PagesPerExtent - 1 - last));

    private static void Add(PageChunk chunk, int extent, ulong wanted, ReadOnlySpan<ManifestEntry> entries, SectionCache cache)
    {
        ulong present = 0;
        foreach (var entry in entries) present |= entry.Mask & wanted;
        var start = chunk.PageCount * Paging.PageSize;
        var length = BitOperations.PopCount(present) * Paging.PageSize;
        foreach (var entry in entries)
        {
            var part = entry with { Mask = entry.Mask & wanted };
            if (part.Mask == 0) continue;
            cache.Use(
                part.Section,
                (in SectionHead head, ReadOnlySpan<byte> content) =>
                    ExtentCopy.Pages(head, content, part, present, chunk.Buffer.Slice(start, length)));
        }
        chunk.Add(new ExtentPages(extent, present, wanted & ~present));
    }
}
