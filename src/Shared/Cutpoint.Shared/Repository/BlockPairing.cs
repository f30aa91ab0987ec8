using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Finds the RAM blocks of one guest in another: by name and length, and where a machine names its blocks otherwise than before, by a length and a kind that
/// only one block on either side has left. A wrong pair would cost time and space, never truth: pages are compared.
/// </summary>
public static class BlockPairing
{
    /// <summary>For each block the number of its counterpart, or null.</summary>
    public static IReadOnlyList<int?> Of(IReadOnlyList<RamBlock> blocks, IReadOnlyList<RamBlock> others)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        ArgumentNullException.ThrowIfNull(others);
        var pairs = new int?[blocks.Count];
        var free = Enumerable.Range(0, others.Count).ToHashSet();
        for (var block = 0; block < blocks.Count; block++)
        {
            var same = free.Where(other => others[other].Name == blocks[block].Name && others[other].Length == blocks[block].Length).ToList();
            if (same.Count == 0) continue;
            pairs[block] = same[0];
            free.Remove(same[0]);
        }
        var rest = Enumerable.Range(0, blocks.Count).Where(block => pairs[block] is null).ToLookup(block => Kind(blocks[block]));
        foreach (var alike in free.ToLookup(other => Kind(others[other])))
        {
            if (alike.Count() == 1 && rest[alike.Key].Count() == 1) pairs[rest[alike.Key].Single()] = alike.Single();
        }
        return pairs;
    }

    /// <summary>True when the largest of the blocks has a counterpart: less is not worth a start.</summary>
    public static bool Fits(IReadOnlyList<RamBlock> blocks, IReadOnlyList<RamBlock> others)
    {
        var pairs = Of(blocks, others);
        var largest = Enumerable.Range(0, blocks.Count).MaxBy(block => blocks[block].Length);
        return blocks.Count > 0 && pairs[largest] is not null;
    }

    private static (long, bool) Kind(RamBlock block) => (block.Length, block.IsReadOnly);
}
