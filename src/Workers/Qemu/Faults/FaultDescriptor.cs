using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Cutpoint.Workers.Qemu.Preflight;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Faults;

/// <summary>
/// A userfaultfd of a guest's process, by which the kernel notes who writes to its memory. It stays in QEMU, which has no other way to close it, and the next
/// capture finds it there.
/// </summary>
internal static class FaultDescriptor
{
    /// <summary>The number of userfaultfd on x86-64.</summary>
    internal const long SystemCall = 323;

    /// <summary>Faults of the program only, close-on-exec, non-blocking.</summary>
    internal const long Options = 1 | 0x80000 | 0x800;

    private const string Target = "anon_inode:[userfaultfd]";
    private const nuint OpenInterface = 0xc018aa3f; // UFFDIO_API
    private const ulong Version = 0xaa;
    private const ulong WriteFaults = 1; // UFFD_FEATURE_PAGEFAULT_FLAG_WP
    private const ulong SharedMemory = 1UL << 12; // UFFD_FEATURE_WP_HUGETLBFS_SHMEM
    private const ulong Unpopulated = 1UL << 13; // UFFD_FEATURE_WP_UNPOPULATED

    /// <summary>UFFD_FEATURE_WP_ASYNC. The descriptors of captures are known by it: QEMU's own serve their faults.</summary>
    private const ulong Asynchronous = 1UL << 15;

    [StructLayout(LayoutKind.Sequential)]
    private struct Interface
    {
        internal ulong Version, Features, Calls;
    }

    /// <summary>That of an earlier capture, or a new one; null, and why, when there can be none.</summary>
    /// <param name="process">QEMU's process.</param>
    /// <param name="make">Runs <see cref="FaultDescriptorMaker"/> on a process, in one of its own, and returns its exit code.</param>
    internal static async Task<(SafeFileHandle? Descriptor, string? Why)> GetAsync(int process, Func<int, Task<int>> make)
    {
        try
        {
            if (Find(process) is { } found) return (found, null);
            if (IsFilteredByOthers(process)) return (null, "QEMU runs under a filter of system calls that may end it for this one");
            // Tried out here first: what is begun in QEMU must not fail half-way.
            if (!IsOffered()) return (null, "the kernel does not note writes to shared memory (Linux 6.7 and later, userfaultfd)");
            var outcome = await make(process);
            if (outcome == FaultDescriptorMaker.Made && Find(process) is { } made) return (made, null);
            return (null, outcome switch
            {
                FaultDescriptorMaker.NotPermitted => "this user may not trace QEMU, or somebody else does",
                FaultDescriptorMaker.AtWork => "QEMU's main thread is never at rest",
                FaultDescriptorMaker.Refused => "the kernel gives QEMU no userfaultfd",
                _ => string.Create(CultureInfo.InvariantCulture, $"QEMU's main thread could not be led to make a userfaultfd ({outcome})"),
            });
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return (null, "this user may not look into QEMU's process");
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            return (null, $"QEMU's main thread could not be led to make a userfaultfd: {error.Message}");
        }
    }

    /// <summary>That an earlier capture has made, or null.</summary>
    /// <exception cref="IOException">The process has ended.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not this user's.</exception>
    internal static SafeFileHandle? Find(int process)
    {
        foreach (var number in NumbersOf(process))
        {
            foreach (var line in File.ReadLines(ProcessFiles.Path(process, string.Create(CultureInfo.InvariantCulture, $"fdinfo/{number}"))))
            {
                // "API:" TAB version ":" features ":" features there are, in hexadecimal.
                if (line.StartsWith("API:", StringComparison.Ordinal) && line.Split(':') is { Length: >= 3 } fields
                    && ulong.TryParse(fields[2], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var features)
                    && (features & Asynchronous) != 0)
                {
                    return Libc.DuplicateDescriptor(process, number);
                }
            }
        }
        return null;
    }

    /// <summary>Every userfaultfd a process has, QEMU's own too.</summary>
    /// <exception cref="IOException">The process has ended.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not this user's.</exception>
    internal static IEnumerable<int> NumbersOf(int process) =>
        ProcessFiles.Descriptors(process).Where(descriptor => descriptor.Target == Target).Select(descriptor => descriptor.Number);

    /// <summary>Opens a new descriptor for captures; false when the kernel lacks what they need.</summary>
    internal static unsafe bool Open(SafeFileHandle descriptor)
    {
        var api = new Interface { Version = Version, Features = WriteFaults | SharedMemory | Unpopulated | Asynchronous };
        return Libc.Control(descriptor, OpenInterface, &api) == 0;
    }

    /// <summary>
    /// Whether somebody but QEMU itself filters its system calls. The filter of its -sandbox lets this one through; others may kill the process for a call it never makes by itself.
    /// </summary>
    private static bool IsFilteredByOthers(int process)
    {
        var arguments = QemuProcess.Read(process).CommandLine;
        var own = arguments.Zip(arguments.Skip(1)).Any(pair => pair.First is "-sandbox" or "--sandbox" && pair.Second.StartsWith("on", StringComparison.Ordinal)) ? 1 : 0;
        const string Filters = "Seccomp_filters:";
        var line = File.ReadLines(ProcessFiles.Path(process, "status")).FirstOrDefault(line => line.StartsWith(Filters, StringComparison.Ordinal));
        // Kernels that do not tell are older than what is needed here.
        return line is null || !int.TryParse(line.AsSpan(Filters.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var filters) || filters > own;
    }

    private static bool IsOffered()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return false;
        var own = (int)Libc.SystemCall((nint)SystemCall, (nint)Options, 0, 0);
        if (own < 0) return false;
        using var descriptor = new SafeFileHandle(own, ownsHandle: true);
        return Open(descriptor);
    }
}
