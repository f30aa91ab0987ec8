namespace Cutpoint.Repository;

/// <summary>
/// A manifest turned round: for every section the extents that have pages in it, sections in the order in which they lie in the packs, so
/// that each is read once and the packs are read front to back.
/// </summary>
internal sealed class SectionUses
{
    private readonly int[] _order;
    private readonly int[] _first;
    private readonly Use[] _uses;

    /// <param name="maps">Where the pages of each RAM block are.</param>
    /// <param name="sections">Where the sections they name are; those that are lost come last.</param>
    public SectionUses(IReadOnlyList<BlockMap> maps, IReadOnlyList<SectionRef?> sections)
    {
        _first = new int[sections.Count + 1];
        foreach (var map in maps)
        {
            for (var index = 0; index < map.Extents.Length; index++)
            {
                foreach (var entry in map.EntriesAt(index)) _first[entry.Section + 1]++;
            }
        }
        for (var section = 0; section < sections.Count; section++) _first[section + 1] += _first[section];
        _uses = new Use[_first[^1]];
        var next = _first.AsSpan(0, sections.Count).ToArray();
        for (var block = 0; block < maps.Count; block++)
        {
            var map = maps[block];
            for (var index = 0; index < map.Extents.Length; index++)
            {
                foreach (var entry in map.EntriesAt(index)) _uses[next[entry.Section]++] = new Use(block, map.Extents[index], entry);
            }
        }
        _order = [.. Enumerable.Range(0, sections.Count).Where(section => _first[section] != _first[section + 1])];
        Array.Sort(_order, (left, right) =>
        {
            if (sections[left] is not { } one || sections[right] is not { } other)
                return (sections[left] is null).CompareTo(sections[right] is null);
            var packs = one.Pack.CompareTo(other.Pack);
            return packs != 0 ? packs : one.Offset.CompareTo(other.Offset);
        });
    }

    /// <summary>Numbers of the sections that hold pages, in the order of the packs.</summary>
    public ReadOnlySpan<int> Order => _order;

    /// <summary>The extents that have pages in a section.</summary>
    public ReadOnlySpan<Use> Of(int section) => _uses.AsSpan(_first[section].._first[section + 1]);

    /// <summary>Pages of an extent that lie in the section.</summary>
    internal readonly record struct Use(int Block, int Extent, ManifestEntry Entry);
}
