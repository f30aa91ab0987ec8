using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu.Faults;

/// <summary>
/// Makes a userfaultfd of a guest's process (<see cref="FaultDescriptor"/>). The kernel gives one only to the process whose memory it is for, so QEMU's main
/// thread is led to make that one system call: it is stopped where it waits for events, asks for the descriptor instead, and goes on waiting. Nothing of its
/// memory is written, and the processors of the guest run on. x86-64 only.
/// <para>
/// Should the tracing process be killed in the microseconds between, the thread comes back from its wait with a number of events that did not happen, and finds
/// none: a wait may end for no reason, and all of its registers but the first argument are those it had.
/// </para>
/// Runs as a process of its own: the stops of a traced thread are told to its parent too, which may have started QEMU itself and would take them for its end.
/// </summary>
internal static unsafe class FaultDescriptorMaker
{
    internal const int Made = 0;
    internal const int NotPermitted = 1;
    internal const int AtWork = 2;
    internal const int Refused = 3;
    internal const int Lost = 4;

    private const long WaitForEvents = 271; // ppoll

    /// <summary>What the kernel has put in place of a result when it stops a thread that waits: it would begin the wait again.</summary>
    private const long BeginAgain = -514;

    /// <summary>The result a system call has while it is entered.</summary>
    private const long Entered = -38;

    private const int EventStop = 128;
    private const int Trap = 5;
    private const int MostStops = 64;
    private const int MostAttempts = 50;

    /// <summary>The layout of user_regs_struct.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Registers
    {
        internal long R15, R14, R13, R12, Bp, Bx, R11, R10, R9, R8, Ax, Cx, Dx, Si, Di, Call, Ip, Cs, Flags, Sp, Ss, FsBase, GsBase, Ds, Es, Fs, Gs;
    }

    /// <summary>Makes the descriptor and opens it for captures.</summary>
    /// <returns>What came of it, the exit code of the process.</returns>
    internal static int Run(int process)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return Refused;
        var (descriptor, outcome) = MakeAtRest(process);
        if (outcome != Made) return outcome;
        using var copy = Libc.DuplicateDescriptor(process, descriptor);
        return copy is null ? NotPermitted : FaultDescriptor.Open(copy) ? Made : Refused;
    }

    /// <summary>The main thread waits for events most of the time, but serves a timer or a monitor now and then.</summary>
    private static (int Descriptor, int Outcome) MakeAtRest(int thread)
    {
        for (var attempt = 1; ; attempt++)
        {
            var (descriptor, outcome) = Make(thread);
            if (outcome != AtWork || attempt == MostAttempts) return (descriptor, outcome);
            Thread.Sleep(1);
        }
    }

    private static (int Descriptor, int Outcome) Make(int thread)
    {
        if (Libc.Trace(Libc.TraceSeize, thread, 0, Libc.TraceMarkSystemCalls) != 0) return (-1, NotPermitted);
        Registers registers;
        if (Libc.Trace(Libc.TraceInterrupt, thread, 0, 0) != 0 || Wait(thread) is not { } stop) return (-1, Lost);
        var signal = 0;
        var isLed = false;
        Registers before = default;
        try
        {
            if (stop >> 16 != EventStop || Libc.Trace(Libc.TraceReadRegisters, thread, 0, (nint)(&registers)) != 0
                || registers.Call != WaitForEvents || registers.Ax != BeginAgain
                || (Libc.Trace(Libc.TraceReadWord, thread, (nint)registers.Ip - 2, 0) & 0xffff) != 0x050f)
            {
                if (stop >> 16 == 0) signal = stop >> 8 & 0xff;
                return (-1, AtWork);
            }
            before = registers;
            registers.Ip -= 2;
            (registers.Ax, registers.Call, registers.Di) = (FaultDescriptor.SystemCall, -1, FaultDescriptor.Options);
            if (Libc.Trace(Libc.TraceWriteRegisters, thread, 0, (nint)(&registers)) != 0) return (-1, Lost);
            isLed = true;
            return Follow(thread, ref signal);
        }
        finally
        {
            if (isLed)
            {
                // It waits again, for what it was waiting for.
                before.Ip -= 2;
                (before.Ax, before.Call) = (WaitForEvents, -1);
                _ = Libc.Trace(Libc.TraceWriteRegisters, thread, 0, (nint)(&before));
            }
            _ = Libc.Trace(Libc.TraceDetach, thread, 0, signal);
        }
    }

    /// <summary>Lets the thread go to the end of the one call. Signals meanwhile are served before it.</summary>
    private static (int Descriptor, int Outcome) Follow(int thread, ref int signal)
    {
        var isEntered = false;
        for (var stops = 0; stops < MostStops; stops++)
        {
            if (Libc.Trace(Libc.TraceToSystemCall, thread, 0, signal) != 0 || Wait(thread) is not { } stop) break;
            signal = 0;
            var cause = stop >> 8 & 0xff;
            if (cause != (Trap | 0x80))
            {
                if (stop >> 16 == 0) signal = cause;
                continue;
            }
            Registers registers;
            if (Libc.Trace(Libc.TraceReadRegisters, thread, 0, (nint)(&registers)) != 0) break;
            if (registers.Call != FaultDescriptor.SystemCall) continue;
            if (isEntered) return registers.Ax >= 0 ? ((int)registers.Ax, Made) : (-1, Refused);
            isEntered = registers.Ax == Entered;
        }
        return (-1, Lost);
    }

    /// <summary>How the thread has stopped, or null when it has ended.</summary>
    private static int? Wait(int thread)
    {
        while (true)
        {
            var found = Libc.WaitProcess(thread, out var status, Libc.WaitAnyThread);
            if (found == thread) return (status & 0xff) == 0x7f ? status : null;
            if (found < 0 && Marshal.GetLastPInvokeError() != Libc.Interrupted) return null;
        }
    }
}
