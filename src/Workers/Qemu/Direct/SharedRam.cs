using System.Runtime.InteropServices;
using Cutpoint.Guests;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// The file a guest shares its RAM by, opened for reading only. It is read with pread: anybody may cut the file short, and a mapping would end this process
/// with SIGBUS then. Holes are found by SEEK_DATA and not read; a pread that meets one allocates nothing. Safe for concurrent use.
/// </summary>
internal sealed class SharedRam : IDisposable
{
    private readonly SafeFileHandle _file;

    private SharedRam(SafeFileHandle file, string name, string path, long offset, long length)
    {
        _file = file;
        Name = name;
        Path = path;
        Offset = offset;
        Length = length;
    }

    /// <summary>Name of the RAM block.</summary>
    public string Name { get; }

    /// <summary>The file's path; for a memfd the way to it through the guest's process.</summary>
    public string Path { get; }

    /// <summary>The file's inode, by which the mappings of other processes tell it.</summary>
    public ulong Inode => Libc.Inode(_file);

    /// <summary>Octets in the file before the block's first.</summary>
    public long Offset { get; }

    /// <summary>Octets of the block.</summary>
    public long Length { get; }

    /// <summary>Extents of the block.</summary>
    public int ExtentCount => checked((int)((Length + Paging.ExtentSize - 1) / Paging.ExtentSize));

    /// <summary>Opens the file.</summary>
    /// <exception cref="SnapshotException">It cannot be opened or is too short.</exception>
    public static SharedRam Open(string name, string path, long offset, long length)
    {
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible,
                $"RAM block '{name}': its file '{path}' cannot be opened: {e.Message}",
                "run cutpoint as a user who may read it, or take it with --transport stream",
                e)
            {
                IsPreflight = true,
            };
        }
        var ram = new SharedRam(file, name, path, offset, length);
        try
        {
            ram.CheckSize();
            return ram;
        }
        catch
        {
            ram.Dispose();
            throw;
        }
    }

    /// <summary>Octets of an extent; fewer than 256 Ki for the last one of the block.</summary>
    public int SizeOf(int extent) => (int)Math.Min(Paging.ExtentSize, Length - ((long)extent * Paging.ExtentSize));

    /// <summary>All pages of an extent.</summary>
    public ulong PagesOf(int extent) => ulong.MaxValue >> (Paging.PagesPerExtent - (SizeOf(extent) / Paging.PageSize));

    /// <summary>Reads from the block.</summary>
    /// <exception cref="SnapshotException">The file was cut short.</exception>
    public void Read(long offset, Span<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            var read = RandomAccess.Read(_file, octets, Offset + offset);
            if (read == 0) throw Truncated();
            offset += read;
            octets = octets[read..];
        }
    }

    /// <summary>Fails when the file is shorter than the block.</summary>
    /// <exception cref="SnapshotException">The file was cut short.</exception>
    public void CheckSize()
    {
        if (RandomAccess.GetLength(_file) < Offset + Length) throw Truncated();
    }

    /// <summary>Which pages are no hole. A file system that knows no holes says all.</summary>
    public PageSet FindData()
    {
        var found = new PageSet(ExtentCount);
        // The search looks at every page there is, on one processor, in the stop too: a file that lies there whole is spared it. Should a hole appear
        // meanwhile, it reads as zeros, which is what it is.
        if (Libc.Allocated(_file) >= RandomAccess.GetLength(_file))
        {
            found.Add(0, Length / Paging.PageSize);
            return found;
        }
        var end = Offset + Length;
        var at = Offset;
        while (at < end)
        {
            var data = Libc.Seek(_file, at, Libc.SeekData);
            if (data < 0)
            {
                // No data behind here.
                if (Marshal.GetLastPInvokeError() == Libc.NoSuchOffset) break;
                data = at;
            }
            if (data >= end) break;
            var hole = Libc.Seek(_file, data, Libc.SeekHole);
            if (hole < 0 || hole > end) hole = end;
            // A file system with larger or smaller blocks than a page: whole pages on both ends.
            var first = Math.Max(data - Offset, 0) / Paging.PageSize;
            var last = (hole - Offset - 1) / Paging.PageSize;
            found.Add(first, last - first + 1);
            at = hole;
        }
        return found;
    }

    public void Dispose() => _file.Dispose();

    private SnapshotException Truncated() => new(
        ErrorCode.Failed,
        $"RAM block '{Name}': its file '{Path}' was cut short while it was captured",
        "the guest is lost as soon as it touches what is missing; find out who truncates the file");
}
