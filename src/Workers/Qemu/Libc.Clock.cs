using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu;

internal static unsafe partial class Libc
{
    private const int ThreadClock = 3; // CLOCK_THREAD_CPUTIME_ID

    /// <summary>
    /// Processor time the calling thread has used. Unlike a clock it does not count the time in which others had the processor, so it tells what work costs
    /// on a host that is busy now and will not be when the cost is due.
    /// </summary>
    internal static TimeSpan ThreadTime()
    {
        var time = stackalloc long[2];
        _ = ReadClock(ThreadClock, time);
        return TimeSpan.FromSeconds(time[0]) + TimeSpan.FromTicks(time[1] / TimeSpan.NanosecondsPerTick);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ReadClock(int clock, long* time);
}
