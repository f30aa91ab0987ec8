using System.Runtime.InteropServices;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// The hash of every page of one RAM block as it was emitted last, 16 octets a page; 0 stands for a page that is all zero, as every page is before it
/// was emitted. A capture that starts from a base counts the base's pages as emitted. Lies in a mapped scratch file, so that the anonymous memory of a capture does not grow with its guest. The file has no name while it is
/// in use, and its blocks are reserved up front: a mapped page that finds the disk full would end the process.
/// Pages may be read and written side by side as long as nobody does both to one page.
/// </summary>
internal sealed unsafe partial class PageHashTable : IDisposable
{
    private const int ReadAndWrite = 3; // PROT_READ | PROT_WRITE
    private const int Shared = 1; // MAP_SHARED

    private readonly nuint _length;
    private UInt128* _hashes;
    private readonly long _pages;

    /// <summary>Creates a table for a block that was never emitted.</summary>
    /// <param name="pages">Pages of the block.</param>
    /// <param name="directory">Where the scratch file is made.</param>
    /// <exception cref="SnapshotException">There is no room for it, or the directory cannot be written.</exception>
    public PageHashTable(long pages, string directory)
    {
        _pages = pages;
        if (pages == 0) return;
        var length = checked(pages * sizeof(UInt128));
        var path = Path.Combine(directory, $"cutpoint-hashes-{Guid.NewGuid():n}");
        try
        {
            // The mapping keeps the file.
            using var handle = File.OpenHandle(
                path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, preallocationSize: length);
            File.Delete(path);
            RandomAccess.SetLength(handle, length);
            // Not by MemoryMappedFile: it waits for the disk when it is closed, and nobody will ever read what it writes.
            var start = Map(null, (nuint)length, ReadAndWrite, Shared, handle, 0);
            if (start == (void*)-1) throw new IOException($"it cannot be mapped: {Marshal.GetLastPInvokeErrorMessage()}");
            _hashes = (UInt128*)start;
            _length = (nuint)length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(
                e is IOException ? ErrorCode.NoSpace : ErrorCode.Failed,
                $"no scratch file of {length} octets in '{directory}': {e.Message}",
                "name a directory with room by TMPDIR",
                e);
        }
    }

    /// <summary>Extents of the block.</summary>
    public int ExtentCount => checked((int)((_pages + Paging.PagesPerExtent - 1) / Paging.PagesPerExtent));

    /// <summary>The hashes of an extent's pages; fewer than 64 for the last extent of the block.</summary>
    public Span<UInt128> Extent(int extent)
    {
        var first = (long)extent * Paging.PagesPerExtent;
        ArgumentOutOfRangeException.ThrowIfNegative(extent);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first, _pages, nameof(extent));
        return new Span<UInt128>(_hashes + first, (int)Math.Min(Paging.PagesPerExtent, _pages - first));
    }

    public void Dispose()
    {
        if (_hashes == null) return;
        _ = Unmap(_hashes, _length);
        _hashes = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap64", SetLastError = true)]
    private static partial void* Map(void* address, nuint length, int protection, int flags, SafeHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);
}
