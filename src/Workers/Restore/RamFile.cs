using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// A file with the contents of one RAM block; pages never written are holes and read as zero. For its owner's eyes only. Safe for concurrent use as long as
/// no page is written twice.
/// </summary>
internal sealed class RamFile : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly SafeFileHandle _handle;

    private RamFile(string path, SafeFileHandle handle)
    {
        Path = path;
        _handle = handle;
    }

    public string Path { get; }

    /// <summary>Creates the file at its full length, so that it can be mapped at once. One that is there is replaced.</summary>
    public static RamFile Create(string path, long length)
    {
        SafeFileHandle? handle = null;
        try
        {
            File.Delete(path);
            using var stream = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite,
                UnixCreateMode = OwnerOnly,
                BufferSize = 0,
            });
            stream.SetLength(length);
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            return new RamFile(path, handle);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            handle?.Dispose();
            throw StorageError.Translate(e, path, "write");
        }
    }

    /// <summary>Puts pages of an extent in place.</summary>
    /// <param name="pages">Which.</param>
    /// <param name="octets">Their octets, packed.</param>
    public void Write(ExtentPages pages, ReadOnlySpan<byte> octets)
    {
        var start = (long)pages.Extent * Paging.ExtentSize;
        try
        {
            foreach (var (first, count) in PageRuns.Of(pages.Present))
            {
                var length = count * Paging.PageSize;
                // pwrite, not a mapping: a page fault for every page costs more than the copy (measured on ext4: 4.5 against 1.6 GB/s on two processors).
                RandomAccess.Write(_handle, octets[..length], start + ((long)first * Paging.PageSize));
                octets = octets[length..];
            }
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, Path, "write");
        }
    }

    public void Dispose() => _handle.Dispose();
}
