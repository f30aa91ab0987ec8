using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Has the kernel note which pages QEMU's process writes, whether its processors do or its devices: the memory is write-protected, and the first write to a page
/// takes the protection off without anybody being asked. Costs a look at the page tables in each pass instead of one at the pages.
/// <para>
/// What goes past QEMU's page tables is not seen: another process that has mapped the RAM, and devices that write to pages they have pinned. Guests that are
/// known to have such are taken by page hashes, and what a capture has relied on is looked at once more after its pause (<see cref="DirectRam.VerifyAsync"/>).
/// </para>
/// </summary>
internal sealed class WriteProtectTracker : IDirtyTracker
{
    /// <summary>Octets whose page tables are looked at in a second, until it is known: a cautious figure of a server's.</summary>
    private const double DefaultRate = 500e9;

    private readonly SharedRam _ram;
    private readonly PageScan _scan;
    private readonly IReadOnlyList<ProcessMapping> _mappings;
    private readonly PageSet _changed;
    private bool _hasBegun;
    private TimeSpan? _cost;

    private WriteProtectTracker(SharedRam ram, PageScan scan, IReadOnlyList<ProcessMapping> mappings)
    {
        _ram = ram;
        _scan = scan;
        _mappings = mappings;
        _changed = new PageSet(ram.ExtentCount);
    }

    public string Name => "write protection";

    /// <summary>Begins to watch a block, or says why that cannot be.</summary>
    /// <param name="ram">The block.</param>
    /// <param name="process">QEMU's process.</param>
    /// <param name="map">Its mappings.</param>
    /// <param name="make">Makes a userfaultfd in a process, as <see cref="PageScan.TryOpenAsync"/> asks for it.</param>
    public static async Task<(WriteProtectTracker? Tracker, string? Why)> TryCreateAsync(
        SharedRam ram, int process, ProcessMap map, Func<int, Task<int>> make)
    {
        var mappings = map.SharedMappingsOf(ram.Inode).Where(m => m.Offset < ram.Offset + ram.Length && m.End - m.Start + (ulong)m.Offset > (ulong)ram.Offset)
            .OrderBy(m => m.Offset).ToList();
        // A part that is mapped twice could be written where nobody looks.
        var at = ram.Offset;
        foreach (var mapping in mappings)
        {
            if (mapping.Offset > at || (at > ram.Offset && mapping.Offset != at)) return (null, "the RAM file is not mapped once and whole");
            at = mapping.Offset + (long)(mapping.End - mapping.Start);
        }
        if (at < ram.Offset + ram.Length) return (null, "the RAM file is not mapped once and whole");
        var (scan, why) = await PageScan.TryOpenAsync(process, mappings.Select(m => (m.Start, m.End)), make);
        return scan is null ? (null, why) : (new WriteProtectTracker(ram, scan, mappings), null);
    }

    public TimeSpan Floor(long dataBytes, int processors) => _cost ?? TimeSpan.FromSeconds(_ram.Length / DefaultRate);

    /// <summary>Does not matter: pages are looked at only once they have changed.</summary>
    public void Observe(long octets, TimeSpan work)
    {
    }

    public void BeginPass()
    {
        if (_hasBegun) Collect(0, _ram.Length, protect: true, _changed);
        else _changed.Add(0, _ram.Length / Paging.PageSize);
        _hasBegun = true;
    }

    /// <summary>
    /// Protects them, so that the shards share that work. A page nobody has protected counts as written as soon as it is mapped, so none that is left out is ever missed.
    /// </summary>
    public void BeforeFirstRead(int first, int last) =>
        Collect((long)first * Paging.ExtentSize, ((long)last * Paging.ExtentSize) + _ram.SizeOf(last), protect: true, null);

    public void EndPass() => _changed.Clear();

    public ulong MayHaveChanged(int extent) => _changed[extent];

    public PageSet? Pending()
    {
        var pages = new PageSet(_ram.ExtentCount);
        pages.Add(_changed);
        var started = Libc.ThreadTime();
        Collect(0, _ram.Length, protect: false, pages);
        _cost = Libc.ThreadTime() - started;
        return pages;
    }

    public void Dispose() => _scan.Dispose();

    /// <param name="from">First octet of the block.</param>
    /// <param name="to">First octet behind.</param>
    /// <param name="protect">Whether to protect what is told.</param>
    /// <param name="pages">Takes the pages that were written.</param>
    private void Collect(long from, long to, bool protect, PageSet? pages)
    {
        foreach (var mapping in _mappings)
        {
            // Where the mapping's octets lie in the block: it may begin before it and end behind it.
            var begin = mapping.Offset - _ram.Offset;
            var (start, end) = (Math.Max(from, begin), Math.Min(to, begin + (long)(mapping.End - mapping.Start)));
            if (start >= end) continue;
            try
            {
                _scan.Written(mapping.Start + (ulong)(start - begin), mapping.Start + (ulong)(end - begin), protect, (first, behind) =>
                    pages?.Add(((long)(first - mapping.Start) + begin) / Paging.PageSize, (long)(behind - first) / Paging.PageSize));
            }
            catch (IOException error)
            {
                throw new SnapshotException(ErrorCode.Failed, $"RAM block '{_ram.Name}': {error.Message}", "take the guest with --tracking hashes", error);
            }
        }
    }
}
