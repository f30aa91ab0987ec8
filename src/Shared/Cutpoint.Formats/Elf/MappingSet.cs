namespace Cutpoint.Formats.Elf;

/// <summary>Mappings as a walk over page tables finds them. Guests are hostile: a table that names itself has more of them than anybody can write.</summary>
internal sealed class MappingSet
{
    /// <summary>The most runs that are kept, 96 MiB of them.</summary>
    public const int MaxRuns = 1 << 22;

    private readonly List<MemoryMapping> _runs = [];

    /// <summary>Adds a mapping; one that continues the last in both addresses is joined to it.</summary>
    public void Add(ulong physical, ulong address, ulong length)
    {
        if (_runs.Count > 0)
        {
            var last = _runs[^1];
            if (last.Physical + last.Length == physical && last.Virtual + last.Length == address)
            {
                _runs[^1] = last with { Length = last.Length + length };
                return;
            }
        }
        if (_runs.Count == MaxRuns) throw TooMany($"more than {MaxRuns} runs of memory");
        _runs.Add(new MemoryMapping(physical, address, length));
    }

    /// <summary>
    /// Every mapping once, ascending by physical and virtual address. What CPUs that share tables see several times is there once, and the result
    /// does not depend on the order of the walk.
    /// </summary>
    public IReadOnlyList<MemoryMapping> Join()
    {
        // Runs that one offset leads from physical to virtual addresses are joined where they meet or overlap.
        _runs.Sort((a, b) => (a.Virtual - a.Physical, a.Physical).CompareTo((b.Virtual - b.Physical, b.Physical)));
        List<MemoryMapping> joined = [];
        foreach (var run in _runs)
        {
            var last = joined.Count > 0 ? joined[^1] : default;
            if (last.Length > 0 && last.Virtual - last.Physical == run.Virtual - run.Physical && run.Physical <= last.Physical + last.Length)
                joined[^1] = last with { Length = Math.Max(last.Length, run.Physical - last.Physical + run.Length) };
            else
                joined.Add(run);
        }
        joined.Sort((a, b) => (a.Physical, a.Virtual).CompareTo((b.Physical, b.Virtual)));
        return joined;
    }

    public static SnapshotException TooMany(string what) => new(
        ErrorCode.Incompatible, $"the guest's page tables lead to {what}", "export without --paging: crash and gdb with the kernel's symbols need no virtual addresses");
}
