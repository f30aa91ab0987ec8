using System.Runtime.InteropServices;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Faults;

/// <summary>
/// Frees a guest whose background snapshot has failed, for example because the disk was full. QEMU 7.2 then says "running", but leaves the
/// RAM write-protected, and every CPU that writes waits for ever for somebody to serve the fault: not even SIGTERM ends it. The protection
/// is taken off through QEMU's own userfaultfd.
/// </summary>
internal static unsafe class WriteProtection
{
    private const ulong WriteProtectRequest = 0xc018aa06;

    [StructLayout(LayoutKind.Sequential)]
    private struct WriteProtectRange
    {
        internal ulong Start;
        internal ulong Length;
        internal ulong Mode;
    }

    /// <summary>Takes every write protection off a process.</summary>
    /// <returns>How many ranges were freed; 0 when there were none or this user may not.</returns>
    internal static int Release(int process)
    {
        try
        {
            var ranges = ProtectedRanges(process);
            if (ranges.Count == 0) return 0;
            return FaultDescriptor.NumbersOf(process).Sum(descriptor => Release(process, descriptor, ranges));
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>Takes off what a capture has left that followed the guest's writes by it and did not come to its end. It does the guest no harm.</summary>
    internal static void EndTracking(int process)
    {
        try
        {
            PageScan.Release(process, () => ProtectedRanges(process));
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            // The process has ended, or is not this user's, who has not protected it then.
        }
    }

    private static int Release(int process, int descriptor, List<(ulong Start, ulong End)> ranges)
    {
        using var copy = Libc.DuplicateDescriptor(process, descriptor);
        if (copy is null) return 0;
        var freed = 0;
        foreach (var (start, end) in ranges)
        {
            // Refused for ranges that are registered with another userfaultfd.
            var range = new WriteProtectRange { Start = start, Length = end - start };
            if (Libc.Control(copy, (nuint)WriteProtectRequest, &range) == 0) freed++;
        }
        return freed;
    }

    /// <summary>Mappings registered for write-protect faults: flag "uw" in smaps.</summary>
    private static List<(ulong Start, ulong End)> ProtectedRanges(int process)
    {
        var ranges = new List<(ulong, ulong)>();
        (ulong, ulong)? current = null;
        foreach (var line in File.ReadLines(ProcessFiles.Path(process, "smaps")))
        {
            if (ProcessMap.TryParse(line) is { } mapping)
            {
                current = (mapping.Start, mapping.End);
            }
            else if (line.StartsWith("VmFlags:", StringComparison.Ordinal) && line.Split(' ').Contains("uw") && current is { } range)
            {
                ranges.Add(range);
            }
        }
        return ranges;
    }
}
