using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Guest memory gathered in a nameless scratch file, in whatever order and how often a file brings its pages; what comes last counts. Afterwards it is read in the
/// order of addresses, so that equal memory makes equal sections whatever it was read from. Holds one extent in memory and a few octets for each
/// extent that has contents. One call at a time.
/// </summary>
internal sealed class StagedMemory : IDisposable
{
    /// <summary>The most memory a guest may have: the length of a scratch file that every usual file system takes.</summary>
    private const long MaxLength = 8L << 40;

    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly byte[] _extent = GC.AllocateUninitializedArray<byte>(Paging.ExtentSize);
    private readonly List<Block> _blocks = [];
    private (int Block, int Extent) _current = (-1, 0);
    private ulong _dirty;

    /// <summary>Creates the scratch file.</summary>
    /// <param name="directory">Where its octets lie; it has no name there.</param>
    public StagedMemory(string directory)
    {
        _path = Path.Combine(directory, "memory");
        try
        {
            using var stream = new FileStream(_path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            });
            _file = File.OpenHandle(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            File.Delete(_path);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, _path, "write");
        }
    }

    /// <summary>The blocks so far; calls name one by its place.</summary>
    public IReadOnlyList<RamBlock> Blocks => _blocks.ConvertAll(block => block.Description);

    /// <summary>How many blocks there are so far.</summary>
    public int BlockCount => _blocks.Count;

    /// <summary>Adds a block whose pages are all zero.</summary>
    public void AddBlock(RamBlock block)
    {
        var start = _blocks.Count == 0 ? 0 : _blocks[^1].End;
        if (block.Length <= 0 || block.Length > MaxLength - start)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"RAM block '{block.Name}' claims {block.Length} octets; a guest may have {MaxLength} in all", "check where the file comes from");
        }
        _blocks.Add(new Block(block, start, []));
    }

    /// <summary>Puts a page in place.</summary>
    /// <param name="block">Number of the block.</param>
    /// <param name="offset">Octets into it, a multiple of the page size.</param>
    /// <param name="page">One page.</param>
    public void Write(int block, long offset, ReadOnlySpan<byte> page)
    {
        var (extent, index) = Enter(block, offset);
        _blocks[block].Touched.Add(extent);
        _dirty |= 1UL << index;
        page.CopyTo(Page(index));
    }

    /// <summary>Makes a page zero.</summary>
    public void WriteZero(int block, long offset)
    {
        // What was never written is zero already.
        if (!_blocks[block].Touched.Contains((int)(offset / Paging.ExtentSize))) return;
        var (_, index) = Enter(block, offset);
        _dirty |= 1UL << index;
        Page(index).Clear();
    }

    /// <summary>Reads a page as it is now.</summary>
    public void Read(int block, long offset, Span<byte> page)
    {
        var (_, index) = Enter(block, offset);
        if ((_dirty >> index & 1) != 0) Page(index).CopyTo(page);
        else ReadFile(page, _blocks[block].Start + offset);
    }

    /// <summary>Hands out everything that is not zero as chunks in the order of blocks and addresses, one for each 4 MiB of a block.</summary>
    /// <param name="rent">Gives an empty chunk.</param>
    /// <param name="take">Takes a chunk over, its hashes not filled in.</param>
    /// <param name="cancellation">Cancels between two chunks.</param>
    public async Task ReadAllAsync(
        Func<CancellationToken, ValueTask<PageChunk>> rent, Func<PageChunk, CancellationToken, ValueTask> take, CancellationToken cancellation)
    {
        Flush();
        for (var block = 0; block < _blocks.Count; block++)
        {
            foreach (var window in _blocks[block].Touched.Order().GroupBy(extent => extent / Paging.ExtentsPerSection).ToList())
            {
                var chunk = await rent(cancellation);
                try
                {
                    chunk.Reset(block, 0);
                    foreach (var extent in window) AddExtent(chunk, extent);
                }
                catch
                {
                    chunk.Dispose();
                    throw;
                }
                if (chunk.IsEmpty) chunk.Dispose();
                else await take(chunk, cancellation);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void AddExtent(PageChunk chunk, int extent)
    {
        var block = _blocks[chunk.Block];
        var offset = (long)extent * Paging.ExtentSize;
        var pages = chunk.Buffer.Slice(chunk.PageCount * Paging.PageSize, (int)Math.Min(Paging.ExtentSize, block.Description.Length - offset));
        ReadFile(pages, block.Start + offset);
        var zero = ZeroPages.Mask(pages);
        var present = ~zero & (ulong.MaxValue >> (Paging.PagesPerExtent - (pages.Length / Paging.PageSize)));
        if (present == 0) return;
        var to = pages;
        foreach (var (first, count) in PageRuns.Of(present))
        {
            pages.Slice(first * Paging.PageSize, count * Paging.PageSize).CopyTo(to);
            to = to[(count * Paging.PageSize)..];
        }
        chunk.Add(new ExtentPages(extent, present, 0));
    }

    private (int Extent, int Page) Enter(int block, long offset)
    {
        var extent = (int)(offset / Paging.ExtentSize);
        if (_current != (block, extent))
        {
            Flush();
            _current = (block, extent);
        }
        return (extent, (int)(offset % Paging.ExtentSize / Paging.PageSize));
    }

    private Span<byte> Page(int index) => _extent.AsSpan(index * Paging.PageSize, Paging.PageSize);

    private void Flush()
    {
        if (_dirty == 0) return;
        var start = _blocks[_current.Block].Start + ((long)_current.Extent * Paging.ExtentSize);
        try
        {
            foreach (var (first, count) in PageRuns.Of(_dirty))
                RandomAccess.Write(_file, _extent.AsSpan(first * Paging.PageSize, count * Paging.PageSize), start + ((long)first * Paging.PageSize));
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, _path, "write");
        }
        _dirty = 0;
    }

    private void ReadFile(Span<byte> octets, long offset)
    {
        try
        {
            while (!octets.IsEmpty)
            {
                var count = RandomAccess.Read(_file, octets, offset);
                // Behind the last page written.
                if (count == 0)
                {
                    octets.Clear();
                    return;
                }
                octets = octets[count..];
                offset += count;
            }
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, _path, "read");
        }
    }

    private sealed record Block(RamBlock Description, long Start, HashSet<int> Touched)
    {
        public long End => (Start + Description.Length + Paging.ExtentSize - 1) / Paging.ExtentSize * Paging.ExtentSize;
    }
}
