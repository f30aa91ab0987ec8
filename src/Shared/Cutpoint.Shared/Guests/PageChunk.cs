using System.Runtime.InteropServices;

namespace Cutpoint.Guests;

/// <summary>
/// What a RAM unit emits: up to sixteen extents of one block in one pass, with the octets of the pages present, packed in order.
/// The buffer is native, page aligned, and belongs to a <see cref="PageChunkPool"/>; disposing returns it.
/// One owner at a time; not safe for concurrent use.
/// </summary>
public sealed unsafe class PageChunk : IDisposable
{
    private readonly PageChunkPool _pool;
    private readonly byte* _buffer;
    private readonly ExtentPages[] _extents = new ExtentPages[Paging.ExtentsPerSection];
    private readonly UInt128[] _hashes = new UInt128[Paging.PagesPerSection];

    internal PageChunk(PageChunkPool pool)
    {
        _pool = pool;
        _buffer = (byte*)NativeMemory.AlignedAlloc(Paging.SectionSize, Paging.PageSize);
    }

    /// <summary>Number of the RAM block in the guest's description.</summary>
    public int Block { get; private set; }

    /// <summary>The pass the pages were read in.</summary>
    public uint Pass { get; private set; }

    /// <summary>The whole buffer, 4 MiB. The source writes pages here before it calls <see cref="Add"/>.</summary>
    public Span<byte> Buffer => new(_buffer, Paging.SectionSize);

    /// <summary>The extents described so far, ascending.</summary>
    public ReadOnlySpan<ExtentPages> Extents => _extents.AsSpan(0, ExtentCount);

    /// <summary>How many extents are described.</summary>
    public int ExtentCount { get; private set; }

    /// <summary>Pages present over all extents.</summary>
    public int PageCount { get; private set; }

    /// <summary>The octets of the pages present, in order of extent and bit.</summary>
    public ReadOnlySpan<byte> Pages => new(_buffer, PageCount * Paging.PageSize);

    /// <summary>One hash for every page present, in the order of <see cref="Pages"/>. Written by the classifier over the very octets in the buffer.</summary>
    public Span<UInt128> Hashes => _hashes.AsSpan(0, PageCount);

    /// <summary>True when nothing is described.</summary>
    public bool IsEmpty => ExtentCount == 0;

    /// <summary>Empties the chunk and says what it is about.</summary>
    public void Reset(int block, uint pass)
    {
        Block = block;
        Pass = pass;
        ExtentCount = 0;
        PageCount = 0;
    }

    /// <summary>Describes the next extent, whose present pages the caller has put into the buffer right behind those of the extents before.</summary>
    /// <exception cref="ArgumentException">The masks overlap, the extents are not ascending, or the chunk is full.</exception>
    public void Add(ExtentPages pages)
    {
        if ((pages.Present & pages.Zero) != 0)
            throw new ArgumentException($"extent {pages.Extent}: a page is both present and zero", nameof(pages));
        if (ExtentCount == Paging.ExtentsPerSection)
            throw new ArgumentException($"a chunk holds at most {Paging.ExtentsPerSection} extents", nameof(pages));
        if (ExtentCount > 0 && _extents[ExtentCount - 1].Extent >= pages.Extent)
            throw new ArgumentException($"extent {pages.Extent} does not follow {_extents[ExtentCount - 1].Extent}", nameof(pages));
        _extents[ExtentCount++] = pages;
        PageCount += pages.PresentCount;
    }

    /// <summary>Gives the buffer back to its pool. The chunk must not be used afterwards.</summary>
    public void Dispose() => _pool.Return(this);

    internal void Free() => NativeMemory.AlignedFree(_buffer);
}
