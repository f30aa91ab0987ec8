using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Export;

/// <summary>What the framework does not say of a file.</summary>
/// <param name="IsRegular">False for directories, pipes, sockets and devices.</param>
/// <param name="AllocatedOctets">Octets it takes on disk: less than its length when it has holes.</param>
internal readonly partial record struct FileStatus(bool IsRegular, long AllocatedOctets)
{
    private const int FromCurrentDirectory = -100; // AT_FDCWD
    private const uint TypeModeAndBlocks = 0x1 | 0x2 | 0x400; // STATX_TYPE, STATX_MODE, STATX_BLOCKS
    private const int ModeOffset = 28;
    private const int BlocksOffset = 48;
    private const int StructureLength = 256;
    private const int BlockLength = 512;
    private const int TypeMask = 0xf000;
    private const int RegularType = 0x8000;

    /// <summary>The status of what a path names, or null when there is nothing one may look at.</summary>
    public static FileStatus? Of(string path)
    {
        Span<byte> status = stackalloc byte[StructureLength];
        if (statx(FromCurrentDirectory, path, 0, TypeModeAndBlocks, status) != 0) return null;
        var mode = MemoryMarshal.Read<ushort>(status[ModeOffset..]);
        return new FileStatus((mode & TypeMask) == RegularType, MemoryMarshal.Read<long>(status[BlocksOffset..]) * BlockLength);
    }

    // The structure is the kernel's, the same on every architecture.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, Span<byte> status);
}
