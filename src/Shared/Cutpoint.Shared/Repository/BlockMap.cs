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

    /// <summary>The entries of an extent; none when all its pages are zero.</summary>
    public ReadOnlySpan<ManifestEntry> EntriesOf(int extent)
    {
        var index = Array.BinarySearch(extents, extent);
        return index < 0 ? [] : EntriesAt(index);
    }
}
