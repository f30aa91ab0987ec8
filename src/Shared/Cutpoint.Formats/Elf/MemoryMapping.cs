namespace Cutpoint.Formats.Elf;

/// <summary>A run of guest-physical memory with the virtual addresses the guest sees it at.</summary>
/// <param name="Physical">First guest-physical address.</param>
/// <param name="Virtual">First virtual address.</param>
/// <param name="Length">Octets, at least 1.</param>
public readonly record struct MemoryMapping(ulong Physical, ulong Virtual, ulong Length)
{
    /// <summary>What of the mapping lies in a range of guest-physical memory, or null.</summary>
    public MemoryMapping? Cut(DumpRange range)
    {
        if (new DumpRange(Physical, Length).Cut(range) is not { } part) return null;
        return new MemoryMapping(part.Address, Virtual + (part.Address - Physical), part.Length);
    }

    /// <summary>Cuts mappings to the memory that a dump holds: every one that is left has all of its octets in the file.</summary>
    /// <param name="mappings">The mappings.</param>
    /// <param name="memory">The dump's memory, ascending.</param>
    /// <returns>The parts, ascending by physical and then by virtual address.</returns>
    public static IReadOnlyList<MemoryMapping> Cut(IEnumerable<MemoryMapping> mappings, IReadOnlyList<DumpRange> memory)
    {
        ArgumentNullException.ThrowIfNull(mappings);
        ArgumentNullException.ThrowIfNull(memory);
        List<MemoryMapping> parts = [];
        foreach (var mapping in mappings)
        {
            foreach (var range in memory)
                if (mapping.Cut(range) is { } part) parts.Add(part);
        }
        parts.Sort((a, b) => a.Physical != b.Physical ? a.Physical.CompareTo(b.Physical) : a.Virtual.CompareTo(b.Virtual));
        return parts;
    }

    /// <summary>The mappings of a guest that uses no paging: addresses are physical ones.</summary>
    public static IReadOnlyList<MemoryMapping> Identity(IEnumerable<DumpRange> memory) =>
        [.. memory.Select(range => new MemoryMapping(range.Address, range.Address, range.Length))];
}
