namespace Cutpoint.Formats.Elf;

/// <summary>A run of guest-physical memory that is in a dump.</summary>
/// <param name="Address">First guest-physical address.</param>
/// <param name="Length">Octets, at least 1.</param>
public readonly record struct DumpRange(ulong Address, ulong Length)
{
    /// <summary>Last address; an end could be 2^64.</summary>
    public ulong Last => Address + (Length - 1);

    /// <summary>What of the range lies in another one, or null.</summary>
    public DumpRange? Cut(DumpRange filter)
    {
        var first = Math.Max(Address, filter.Address);
        var last = Math.Min(Last, filter.Last);
        return first > last ? null : new DumpRange(first, last - first + 1);
    }
}
