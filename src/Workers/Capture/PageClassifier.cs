using System.Runtime.CompilerServices;
using Cutpoint.Compression;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// Decides what of a page is worth storing: nothing when it is what was emitted last, a mask bit when it has become zero, its octets otherwise. The hash
/// kept is over the very octets that will be stored, and the table is written before the chunk goes on: who compares the page next compares with them.
/// Methods that handle UInt128 are never compiled ahead, so the two that run for every page are optimised at their first call.
/// </summary>
internal sealed unsafe class PageClassifier(PageHasher hasher)
{
    /// <summary>
    /// Classifies the pages of a chunk, moves those that stay together, writes their hashes into chunk and table, and drops extents that hold nothing new.
    /// </summary>
    /// <returns>Pages that stay, and pages that have become zero.</returns>
    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public (int Changed, int Zeroed) Classify(PageChunk chunk, PageHashTable table)
    {
        Span<ExtentPages> extents = stackalloc ExtentPages[Paging.ExtentsPerSection];
        Span<UInt128> hashes = stackalloc UInt128[Paging.PagesPerExtent];
        var count = chunk.ExtentCount;
        chunk.Extents.CopyTo(extents);
        chunk.Reset(chunk.Block, chunk.Pass);
        var zeroed = 0;
        fixed (byte* buffer = chunk.Buffer)
        {
            var read = buffer;
            var write = buffer;
            foreach (var extent in extents[..count])
            {
                var known = table.Extent(extent.Extent);
                var kept = 0;
                ulong present = 0, zero = 0;
                for (var rest = extent.Zero; rest != 0; rest &= rest - 1)
                {
                    var page = System.Numerics.BitOperations.TrailingZeroCount(rest);
                    if (known[page] == 0) continue;
                    known[page] = 0;
                    zero |= 1UL << page;
                }
                for (var rest = extent.Present; rest != 0; rest &= rest - 1, read += Paging.PageSize)
                {
                    var page = System.Numerics.BitOperations.TrailingZeroCount(rest);
                    var hash = HashOf(new ReadOnlySpan<byte>(read, Paging.PageSize));
                    if (hash == known[page]) continue;
                    known[page] = hash;
                    if (hash == 0)
                    {
                        zero |= 1UL << page;
                        continue;
                    }
                    present |= 1UL << page;
                    hashes[kept++] = hash;
                    if (write != read) Unsafe.CopyBlock(write, read, Paging.PageSize);
                    write += Paging.PageSize;
                }
                if ((present | zero) == 0) continue;
                chunk.Add(new ExtentPages(extent.Extent, present, zero));
                hashes[..kept].CopyTo(chunk.Hashes[^kept..]);
                zeroed += System.Numerics.BitOperations.PopCount(zero);
            }
        }
        return (chunk.PageCount, zeroed);
    }

    /// <summary>Which pages of an extent differ from what was emitted last. Changes nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages, ReadOnlySpan<UInt128> known)
    {
        ulong present = 0, zero = 0;
        for (var page = 0; page < known.Length; page++)
        {
            var hash = HashOf(pages.Slice(page * Paging.PageSize, Paging.PageSize));
            if (hash == known[page]) continue;
            if (hash == 0) zero |= 1UL << page;
            else present |= 1UL << page;
        }
        return new ExtentPages(extent, present, zero);
    }

    /// <summary>0 for a page that is all zero, and for no other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private UInt128 HashOf(ReadOnlySpan<byte> page)
    {
        if (ZeroPages.IsZero(page)) return UInt128.Zero;
        var hash = hasher.Hash(page);
        return hash == UInt128.Zero ? UInt128.One : hash;
    }
}
