namespace Cutpoint.Guests;

/// <summary>
/// What a RAM unit emits: up to sixteen extents of one block in one pass, with the octets of the pages present, packed in order.
/// The buffer is native, aligned to large pages, and belongs to a <see cref="PageChunkPool"/>; disposing returns it.
/// One owner at a time; not safe for concurrent use.
/// </summary>
public sealed unsafe class PageChunk : IDisposable
{
    private readonly byte* _buffer;
    private readonly ExtentPages[] _extents = new ExtentPages[Paging.ExtentsPerSection];
    private readonly UInt128[] _hashes = new UInt128[Paging.PagesPerSection];
    private int _isOut;

    internal PageChunk(PageChunkPool pool)
    {
        Pool = pool;
        _buffer = NativePages.Allocate(Paging.SectionSize);
    }

    /// <summary>The pool the chunk belongs to.</summary>
    public PageChunkPool Pool { get; }

    /// <summary>Number of the RAM block in the guest's description.</summary>
    public int Block { get; private set; }

    /// <summary>The pass the pages were read in.</summary>
    public uint Pass { get; private set; }

    /// <summary>The whole buffer, 4 MiB. The source writes pages here before it calls <see cref="Add"/>.</summary>
    public Span<byte> Buffer => new(Start, Paging.SectionSize);

    /// <summary>The extents described so far, ascending.</summary>
    public ReadOnlySpan<ExtentPages> Extents => _extents.AsSpan(0, ExtentCount);

    /// <summary>How many extents are described.</summary>
    public int ExtentCount { get; private set; }

    /// <summary>Pages present over all extents.</summary>
    public int PageCount { get; private set; }

    /// <summary>The octets of the pages present, in order of extent and bit.</summary>
    public ReadOnlySpan<byte> Pages => new(Start, PageCount * Paging.PageSize);

    /// <summary>One hash for every page present, in the order of <see cref="Pages"/>. Written by the classifier over the very octets in the buffer.</summary>
    public Span<UInt128> Hashes => _hashes.AsSpan(0, PageCount);

    /// <summary>True when nothing is described.</summary>
    public bool IsEmpty => ExtentCount == 0;

    /// <summary>The octets, as long as the chunk is out: a chunk in its pool is, or is about to be, somebody else's.</summary>
    private byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isOut == 0, this);
            return _buffer;
        }
    }

    /// <summary>Empties the chunk and says what it is about.</summary>
    /// <exception cref="ObjectDisposedException">The chunk was given back.</exception>
    public void Reset(int block, uint pass)
    {
        _ = Start;
        Block = block;
        Pass = pass;
        ExtentCount = 0;
        PageCount = 0;
    }

    /// <summary>Describes the next extent, whose present pages the caller has put into the buffer right behind those of the extents before.</summary>
    /// <exception cref="ArgumentException">The masks overlap, the extents are not ascending, or the chunk is full.</exception>
    /// <exception cref="ObjectDisposedException">The chunk was given back.</exception>
    public void Add(ExtentPages pages)
    {
        _ = Start;
        if ((pages.Present & pages.Zero) != 0)
            throw new ArgumentException($"extent {pages.Extent}: a page is both present and zero", nameof(pages));
        if (ExtentCount == Paging.ExtentsPerSection)
            throw new ArgumentException($"a chunk holds at most {Paging.ExtentsPerSection} extents", nameof(pages));
        if (ExtentCount > 0 && _extents[ExtentCount - 1].Extent >= pages.Extent)
            throw new ArgumentException($"extent {pages.Extent} does not follow {_extents[ExtentCount - 1].Extent}", nameof(pages));
        _extents[ExtentCount++] = pages;
        PageCount += pages.PresentCount;
    }

    /// <summary>Gives the buffer back to its pool, once. The chunk must not be used afterwards; until somebody else has it, its members throw.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOut, 0) == 1) Pool.Return(this);
    }

    internal PageChunk Out()
    {
        _isOut = 1;
        Reset(0, 0);
        return this;
    }

    internal void Free() => NativePages.Free(_buffer);
}
