using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu;

/// <summary>Another process's descriptors, its memory's bookkeeping and its threads.</summary>
internal static unsafe partial class Libc
{
    internal const nint TraceReadRegisters = 12;
    internal const nint TraceWriteRegisters = 13;
    internal const nint TraceDetach = 17;
    internal const nint TraceToSystemCall = 24;
    internal const nint TraceReadWord = 1;
    internal const nint TraceSeize = 0x4206;
    internal const nint TraceInterrupt = 0x4207;
    internal const nint TraceMarkSystemCalls = 1;

    /// <summary>For <see cref="WaitProcess"/>: threads too, whoever has made them.</summary>
    internal const int WaitAnyThread = 0x40000000;

    /// <summary>A descriptor of our own for what a descriptor of another process stands for, or null when this user may not have it.</summary>
    internal static SafeFileHandle? DuplicateDescriptor(int process, int descriptor)
    {
        const nint OpenProcess = 434;
        const nint GetDescriptor = 438;
        var handle = (int)SystemCall(OpenProcess, process, 0, 0);
        if (handle < 0) return null;
        var copy = (int)SystemCall(GetDescriptor, handle, descriptor, 0);
        _ = Close(handle);
        return copy < 0 ? null : new SafeFileHandle(copy, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint SystemCall(nint number, nint first, nint second, nint third);

    [LibraryImport("libc", EntryPoint = "ptrace", SetLastError = true)]
    internal static partial nint Trace(nint request, int thread, nint address, nint data);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Control(SafeHandle descriptor, nuint request, void* argument);
}
