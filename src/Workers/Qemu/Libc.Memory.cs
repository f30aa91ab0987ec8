using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu;

internal static unsafe partial class Libc
{
    internal const int NoSuchOffset = 6;
    internal const int SeekData = 3;
    internal const int SeekHole = 4;
    internal const uint MemoryFileCloseOnExec = 1;
    internal const int KeepSize = 1;
    internal const int PunchHole = 2;

    [LibraryImport("libc", EntryPoint = "lseek64", SetLastError = true)]
    internal static partial long Seek(SafeHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int CreateMemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "fallocate64", SetLastError = true)]
    internal static partial int Allocate(SafeHandle file, int mode, long offset, long length);
}
