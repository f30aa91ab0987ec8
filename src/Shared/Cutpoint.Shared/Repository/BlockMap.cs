namespace Cutpoint.Repository;

/// <summary>Where the pages of a RAM block are: its extents that have any, ascending, each with a list of entries whose masks are
/// disjoint.</summary>
internal sealed class BlockMap(int[] extents, int[] first, ManifestEntry[] entries)
{
    /// <summary>The most entries of an extent in a stored manifest, so that a page is found quickly and an extent is read from few
    /// sections.</summary>
    public const int MaxEntries = 8;

    /// <summary>Numbers of the extents that have pages.</summary>
    public ReadOnlySpan<int> Extents => extents;

    /// <summary>The entries of the extent at a place in <see cref="Extents"/>.</summary>
    public ReadOnlySpan<ManifestEntry> EntriesAt(int index) => entries.AsSpan(first[index]..first[index + 1]);

    /// <summary>Entries of all extents.</summary>
    public int EntryCount => entries.Length;

    /// <summary>A map without pages.</summary>
    public static BlockMap Empty { get; } = new([], [0], []);

    /// <summary>The part of the map that has some pages.</summary>
    /// <param name="start">Number of the first extent.</param>
    /// <param name="pages">The pages of that extent and of those behind it.</param>
    public BlockMap Only(int start, ReadOnlySpan<ulong> pages)
    {
        var (kept, begins, list) = (new List<int>(), new List<int>(), new List<ManifestEntry>());
        for (var index = 0; index < extents.Length; index++)
        {
            var extent = extents[index];
            if (extent < start || extent - start >= pages.Length) continue;
            var count = list.Count;
            foreach (var entry in EntriesAt(index))
            {
                if ((entry.Mask & pages[extent - start]) is var mask and not 0) list.Add(entry with { Mask = mask });
            }
            if (list.Count == count) continue;
            kept.Add(extent);
            begins.Add(count);
        }
        begins.Add(list.Count);
        return new BlockMap([.. kept], [.. begins], [.. list]);
    }

    /// <summary>The same map with other entries.</summary>
    public BlockMap Convert(Converter<ManifestEntry, ManifestEntry> convert) => new(extents, first, Array.ConvertAll(entries, convert));

    /// <summary>The entries of an extent; none when all its pages are zero.</summary>
    public ReadOnlySpan<ManifestEntry> EntriesOf(int extent)
    {
        var index = Array.BinarySearch(extents, extent);
        return index < 0 ? [] : EntriesAt(index);
    }
}
