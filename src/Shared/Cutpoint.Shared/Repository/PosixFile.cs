using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Repository;

/// <summary>What the framework does not offer for files: flushing directories, early writeback, modes from the first moment on.</summary>
internal static partial class PosixFile
{
    public const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode DirectoryMode = FileMode | UnixFileMode.UserExecute;

    private const int ReadOnlyDirectory = 0x10000 | 0x80000; // O_DIRECTORY, O_CLOEXEC
    private const uint StartWriteback = 2; // SYNC_FILE_RANGE_WRITE
    private const int WriteAccess = 2; // W_OK
    private const int GetFlags = 3; // F_GETFL
    private const int SetFlags = 4; // F_SETFL
    private const int Direct = 0x4000; // O_DIRECT

    /// <summary>Creates a file that only its owner can read. It must not exist.</summary>
    public static FileStream Create(string path, FileShare share = FileShare.Read) => new(path, new FileStreamOptions
    {
        Mode = System.IO.FileMode.CreateNew,
        Access = FileAccess.ReadWrite,
        Share = share,
        UnixCreateMode = FileMode,
        BufferSize = 0,
    });

    /// <summary>Creates a directory that only its owner can enter, and those above it.</summary>
    public static void CreateDirectory(string path) => Directory.CreateDirectory(path, DirectoryMode);

    /// <summary>Writes a small file so that it is there whole and durable, or not at all.</summary>
    public static void WriteAtomically(string path, ReadOnlySpan<byte> contents)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        try
        {
            using (var file = Create(temporary))
            {
                file.Write(contents);
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes names in a directory durable.</summary>
    public static void FlushDirectory(string path)
    {
        var descriptor = open(path, ReadOnlyDirectory);
        if (descriptor < 0) throw Error(path);
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (fsync(handle) != 0 && Marshal.GetLastPInvokeError() is not (Einval or Erofs)) throw Error(path);
    }

    /// <summary>Makes the octets of a file durable.</summary>
    public static void FlushData(SafeFileHandle handle, string path)
    {
        if (fdatasync(handle) != 0) throw Error(path);
    }

    /// <summary>Asks the system to start writing a part of a file, without waiting: a hint, so that the flush at the end is
    /// short.</summary>
    public static void StartWritingBack(SafeFileHandle handle, long offset, long length) =>
        _ = sync_file_range(handle, offset, length, StartWriteback);

    /// <summary>Lets reads and writes of a file pass the page cache by, or not any more. While they do they have to fit blocks.</summary>
    /// <returns>False where the file system knows no such thing.</returns>
    public static bool TryBypassCache(SafeFileHandle handle, bool isBypassed) =>
        fcntl(handle, GetFlags, 0) is >= 0 and var flags && fcntl(handle, SetFlags, isBypassed ? flags | Direct : flags & ~Direct) == 0;

    /// <summary>True when the file system and the modes let this process write into a directory.</summary>
    public static bool IsWritable(string path) => access(path, WriteAccess) == 0;

    /// <summary>True when not the modes but its file system keeps everybody from writing into a directory.</summary>
    public static bool IsOnReadOnlyFileSystem(string path) => access(path, WriteAccess) != 0 && Marshal.GetLastPInvokeError() == Erofs;

    private const int Einval = 22;
    private const int Erofs = 30;

    private static IOException Error(string path)
    {
        var number = Marshal.GetLastPInvokeError();
        return new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(number)}", number);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle handle, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle handle);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle handle);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(SafeFileHandle handle, long offset, long length, uint flags);
}
