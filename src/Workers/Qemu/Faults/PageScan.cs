using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Faults;

/// <summary>
/// The kernel's record of which pages of a process were written since they were protected last (userfaultfd with asynchronous write protection, and the ioctl
/// PAGEMAP_SCAN; Linux 6.7 and later). A page nobody has mapped since counts as not written, and a page that is mapped anew as written. Safe for concurrent use.
/// </summary>
internal sealed class PageScan : IDisposable
{
    private const nuint Register = 0xc020aa00; // UFFDIO_REGISTER
    private const nuint Unregister = 0x8010aa01; // UFFDIO_UNREGISTER
    private const nuint Scan = 0xc0606610; // PAGEMAP_SCAN
    private const ulong WriteProtect = 2;
    private const ulong Protect = 1; // PM_SCAN_WP_MATCHING
    private const ulong CheckAsynchronous = 2;
    private const ulong IsWritten = 2; // PAGE_IS_WRITTEN
    private const int MostRegions = 1024;
    private const ulong Piece = 64 << 20;

    private readonly SafeFileHandle _descriptor;
    private readonly SafeFileHandle _pages;
    private readonly List<(ulong Start, ulong End)> _registered = [];

    private PageScan(SafeFileHandle descriptor, SafeFileHandle pages) => (_descriptor, _pages) = (descriptor, pages);

    [StructLayout(LayoutKind.Sequential)]
    private struct Registration
    {
        internal ulong Start, Length, Mode, Calls;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ScanCall
    {
        internal ulong Size, Flags, Start, End, ReachedEnd, Regions, RegionCount, MostPages, Inverted, All, Any, Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Region
    {
        internal ulong Start, End, Categories;
    }

    /// <summary>Begins to watch ranges of a process, or says why that cannot be.</summary>
    /// <param name="process">The process.</param>
    /// <param name="ranges">Whole mappings, shared with a file.</param>
    /// <param name="make">Runs <see cref="FaultDescriptorMaker"/> on a process, in one of its own, and returns its exit code.</param>
    internal static async Task<(PageScan? Scan, string? Why)> TryOpenAsync(
        int process, IEnumerable<(ulong Start, ulong End)> ranges, Func<int, Task<int>> make)
    {
        SafeFileHandle pages;
        try
        {
            pages = File.OpenHandle(ProcessFiles.Path(process, "pagemap"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return (null, "this user may not read QEMU's page map");
        }
        var (descriptor, why) = IsKnown(pages)
            ? await FaultDescriptor.GetAsync(process, make) : (null, "the kernel has no PAGEMAP_SCAN (Linux 6.7 and later)");
        if (descriptor is null)
        {
            pages.Dispose();
            return (null, why);
        }
        var scan = new PageScan(descriptor, pages);
        if (ranges.All(scan.Watch)) return (scan, null);
        scan.Dispose();
        return (null, "the kernel does not protect memory of this kind, or somebody else has done so");
    }

    /// <summary>Tells the pages written since they were protected last.</summary>
    /// <param name="start">First address.</param>
    /// <param name="end">First address behind it.</param>
    /// <param name="protect">Whether to protect them again, each in the moment it is told.</param>
    /// <param name="found">Takes first address and end of each run.</param>
    /// <exception cref="IOException">The kernel refuses; what was found until then was told.</exception>
    internal unsafe void Written(ulong start, ulong end, bool protect, Action<ulong, ulong> found)
    {
        var regions = stackalloc Region[MostRegions];
        for (var at = start; at < end;)
        {
            var call = new ScanCall
            {
                Size = (ulong)sizeof(ScanCall), Flags = CheckAsynchronous | (protect ? Protect : 0), Start = at, End = end, Regions = (ulong)regions, RegionCount = MostRegions,
                All = IsWritten, Returned = IsWritten,
            };
            var count = Libc.Control(_pages, Scan, &call);
            if (count < 0) throw new IOException($"the kernel does not say which pages were written (error {Marshal.GetLastPInvokeError()})");
            for (var i = 0; i < count; i++) found(regions[i].Start, regions[i].End);
            // Never less than a step, whatever the kernel answers.
            at = Math.Max(call.ReachedEnd, count > 0 ? regions[count - 1].End : at + Guests.Paging.PageSize);
        }
    }

    /// <summary>Takes off what a capture that was killed has left on a process.</summary>
    /// <param name="process">The process.</param>
    /// <param name="protectedRanges">Its mappings that are protected by anybody; those of others are left alone.</param>
    internal static void Release(int process, Func<IEnumerable<(ulong Start, ulong End)>> protectedRanges)
    {
        using var descriptor = FaultDescriptor.Find(process);
        if (descriptor is not null) Release(descriptor, protectedRanges());
    }

    /// <summary>Takes the protection off.</summary>
    public void Dispose()
    {
        if (!_descriptor.IsClosed) Release(_descriptor, _registered);
        _descriptor.Dispose();
        _pages.Dispose();
    }

    /// <summary>
    /// In pieces: the kernel goes through the page tables with the memory map locked, and whoever of the process meets a page for the first time waits meanwhile.
    /// </summary>
    private static unsafe void Release(SafeFileHandle descriptor, IEnumerable<(ulong Start, ulong End)> ranges)
    {
        var range = stackalloc ulong[2];
        foreach (var (start, end) in ranges)
        {
            for (var at = start; at < end; at += Piece)
            {
                (range[0], range[1]) = (at, Math.Min(Piece, end - at));
                if (Libc.Control(descriptor, Unregister, range) == 0) continue;
                // Larger pages are not cut in pieces. Else it fails when QEMU is gone, or its mapping, and the protection with it.
                (range[0], range[1]) = (at, end - at);
                _ = Libc.Control(descriptor, Unregister, range);
                break;
            }
        }
    }

    private unsafe bool Watch((ulong Start, ulong End) range)
    {
        var registration = new Registration { Start = range.Start, Length = range.End - range.Start, Mode = WriteProtect };
        if (Libc.Control(_descriptor, Register, &registration) != 0) return false;
        _registered.Add(range);
        return true;
    }

    private static unsafe bool IsKnown(SafeFileHandle pages)
    {
        // An empty range is a call that does nothing where the call is known.
        var call = new ScanCall { Size = (ulong)sizeof(ScanCall), All = IsWritten, Returned = IsWritten };
        return Libc.Control(pages, Scan, &call) >= 0;
    }
}
