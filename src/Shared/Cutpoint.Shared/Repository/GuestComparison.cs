using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Compares the memory of two stored guests by their manifests, and by the hashes stored with sections where these do not tell. No page is read: pages that
/// lie in one place are equal, and for the others the heads of their sections are enough. Memory in use is bounded, whatever the size of the guests.
/// </summary>
public static class GuestComparison
{
    /// <summary>Extents whose hashes are held at a time: 1 GiB of guest memory, 4 MiB of hashes.</summary>
    private const int Window = 4096;

    /// <summary>Compares block by block.</summary>
    /// <param name="before">The first guest.</param>
    /// <param name="after">The second guest, of the same repository.</param>
    /// <param name="cancellation">Cancels the comparison.</param>
    /// <returns>Every block of the second guest in its order, then those only the first has.</returns>
    /// <exception cref="SnapshotException">A section that has to be looked at is missing or damaged.</exception>
    public static Task<IReadOnlyList<BlockDifference>> CompareAsync(GuestReader before, GuestReader after, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        return Task.Run<IReadOnlyList<BlockDifference>>(() => [.. Compare(before, after, cancellation)], cancellation);
    }

    private static IEnumerable<BlockDifference> Compare(GuestReader before, GuestReader after, CancellationToken cancellation)
    {
        var (left, right) = (before.Manifest, after.Manifest);
        var pairs = BlockPairing.Of(right.Blocks, left.Blocks);
        for (var block = 0; block < right.Blocks.Count; block++)
        {
            var (name, length) = (right.Blocks[block].Name, right.Blocks[block].Length);
            yield return pairs[block] is { } other
                ? Compare(before, other, after, block, cancellation)
                : new BlockDifference(name, null, length, 0, PagesIn(right.Maps[block]), 0);
        }
        foreach (var block in Enumerable.Range(0, left.Blocks.Count).Except(pairs.OfType<int>()))
            yield return new BlockDifference(left.Blocks[block].Name, left.Blocks[block].Length, null, 0, 0, PagesIn(left.Maps[block]));
    }

    private static BlockDifference Compare(GuestReader before, int one, GuestReader after, int other, CancellationToken cancellation)
    {
        var (left, right) = (before.Manifest, after.Manifest);
        var extents = right.Blocks[other].ExtentCount;
        var doubtful = new ulong[Window];
        var hashes = new UInt128[Window * Paging.PagesPerExtent];
        long changed = 0, filled = 0, zeroed = 0;
        for (var first = 0; first < extents; first += Window)
        {
            for (var extent = first; extent < Math.Min(first + Window, extents); extent++)
            {
                cancellation.ThrowIfCancellationRequested();
                var (had, has) = (left.PresentPages(one, extent), right.PresentPages(other, extent));
                filled += BitOperations.PopCount(has & ~had);
                zeroed += BitOperations.PopCount(had & ~has);
                doubtful[extent - first] = had & has & ~InOnePlace(left, one, right, other, extent);
            }
            before.ReadHashes(one, first, doubtful, (_, pages, list) => Each(pages, list, (place, hash) => hashes[place - (first * Paging.PagesPerExtent)] = hash), cancellation);
            after.ReadHashes(
                other, first, doubtful,
                (_, pages, list) => Each(pages, list, (place, hash) => changed += hashes[place - (first * Paging.PagesPerExtent)] == hash ? 0 : 1), cancellation);
        }
        return new BlockDifference(right.Blocks[other].Name, left.Blocks[one].Length, right.Blocks[other].Length, changed, filled, zeroed);
    }

    /// <summary>Pages both guests have in one place of one section.</summary>
    private static ulong InOnePlace(GuestManifest left, int one, GuestManifest right, int other, int extent)
    {
        ulong same = 0;
        foreach (var entry in left.Maps[one].EntriesOf(extent))
        {
            foreach (var found in right.Maps[other].EntriesOf(extent))
            {
                if (entry.Ordinal == found.Ordinal && left.Sections[entry.Section] == right.Sections[found.Section]) same |= entry.Mask & found.Mask;
            }
        }
        return same;
    }

    private static void Each(ExtentPages pages, ReadOnlySpan<UInt128> hashes, Action<int, UInt128> page)
    {
        var next = 0;
        for (var rest = pages.Present; rest != 0; rest &= rest - 1)
            page((pages.Extent * Paging.PagesPerExtent) + BitOperations.TrailingZeroCount(rest), hashes[next++]);
    }

    private static long PagesIn(BlockMap map)
    {
        long pages = 0;
        for (var index = 0; index < map.Extents.Length; index++)
        {
            foreach (var entry in map.EntriesAt(index)) pages += BitOperations.PopCount(entry.Mask);
        }
        return pages;
    }
}
