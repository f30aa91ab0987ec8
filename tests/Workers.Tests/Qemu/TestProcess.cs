using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>Signals, which .NET only knows as "kill".</summary>
internal static partial class TestProcess
{
    internal const int Kill = 9;
    internal const int Continue = 18;
    internal const int Stop = 19;

    internal static void Signal(int process, int signal) => Assert.Equal(0, SendSignal(process, signal));

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
