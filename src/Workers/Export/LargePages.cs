using System.Buffers;
using Cutpoint.Formats.Kdump;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>The pages of a chunk as the larger pages a dump has: those that belong together side by side, what is no memory zero.</summary>
internal static class LargePages
{
    /// <summary>Adds the pages of a chunk.</summary>
    /// <param name="chunk">It; begins with a large page, as every piece of memory of the architectures that have them does.</param>
    /// <param name="size">Octets of a large page.</param>
    /// <param name="pages">Takes them.</param>
    public static void Add(PageChunk chunk, int size, KdumpPages pages)
    {
        var rented = ArrayPool<byte>.Shared.Rent(size);
        var large = rented.AsSpan(0, size);
        large.Clear();
        var (number, isZero) = (-1L, true);
        foreach (var page in ChunkPages.Of(chunk))
        {
            if (page.Offset / size != number)
            {
                if (number >= 0) End(large);
                number = page.Offset / size;
            }
            if (page.IsZero) continue;
            page.Octets.CopyTo(large[(int)(page.Offset % size)..]);
            isZero = false;
        }
        if (number >= 0) End(large);
        ArrayPool<byte>.Shared.Return(rented);

        void End(Span<byte> page)
        {
            if (isZero)
            {
                pages.AddZero();
                return;
            }
            pages.Add(page);
            page.Clear();
            isZero = true;
        }
    }
}
