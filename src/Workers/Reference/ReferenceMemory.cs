using System.Collections.Concurrent;
using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// One RAM block: which page holds what, and which pages were written since somebody asked. Only pages that were written take memory, 8 octets each.
/// One writer at a time; any number of readers beside it, each of which sees a page whole, before or after a write.
/// </summary>
public sealed class ReferenceMemory
{
    // A page that was never written holds what the seed says; written pages hold their number, which is never this one.
    private const ulong Unwritten = PageContent.Foreign;

    private readonly ulong[]?[] _extents;
    private readonly ulong[] _dirty;
    private readonly ConcurrentDictionary<ulong, byte[]> _foreign = [];
    private readonly ulong _seed;
    private readonly ulong _zeroBelow;
    private readonly ulong _noiseBelow;
    private ConcurrentDictionary<long, ulong>? _cut;
    private bool _isBlank;

    internal ReferenceMemory(RamBlock block, ulong seed, ReferenceOptions options)
    {
        Block = block;
        _seed = seed;
        _zeroBelow = (ulong)(options.Zero * 1000);
        _noiseBelow = _zeroBelow + (ulong)(options.Random * 1000);
        _extents = new ulong[]?[block.ExtentCount];
        _dirty = new ulong[block.ExtentCount];
    }

    /// <summary>The block.</summary>
    public RamBlock Block { get; }

    /// <summary>Pages written since they were last taken for reading.</summary>
    public long DirtyPages => _dirty.Sum(static mask => (long)BitOperations.PopCount(mask));

    /// <summary>Reads a page as it is now.</summary>
    public void Read(long page, Span<byte> content) => Write(Now(page), content);

    /// <summary>The first page that differs from another block's, or null when they are equal octet for octet.</summary>
    public long? FirstDifference(ReferenceMemory other)
    {
        if (Block.Length != other.Block.Length) return Math.Min(Block.PageCount, other.Block.PageCount);
        Span<byte> mine = stackalloc byte[Paging.PageSize];
        Span<byte> theirs = stackalloc byte[Paging.PageSize];
        for (var page = 0L; page < Block.PageCount; page++)
        {
            var (a, b) = (Now(page), other.Now(page));
            // Equal numbers are equal pages, unless they are places in lists of their own.
            if (a == b && !PageContent.IsForeign(a)) continue;
            Write(a, mine);
            other.Write(b, theirs);
            if (!mine.SequenceEqual(theirs)) return page;
        }
        return null;
    }

    /// <summary>The pages of an extent: all 64 but for the last.</summary>
    internal ulong PagesOf(int extent) => ulong.MaxValue >> (int)Math.Max(0, ((extent + 1L) * Paging.PagesPerExtent) - Block.PageCount);

    /// <summary>True when no page of an extent was written since it was last taken.</summary>
    internal bool IsClean(int extent) => Volatile.Read(ref _dirty[extent]) == 0;

    /// <summary>Forgets which pages of an extent were written and says which. Before they are read: what is written meanwhile is dirty again.</summary>
    internal ulong TakeDirty(int extent) => Interlocked.Exchange(ref _dirty[extent], 0);

    /// <summary>Takes pages for written that could not be read after all.</summary>
    internal void PutBackDirty(int extent, ulong pages) => Interlocked.Or(ref _dirty[extent], pages);

    /// <summary>Pages of an extent that hold something, among those asked for.</summary>
    /// <param name="extent">The extent.</param>
    /// <param name="pages">The pages asked for.</param>
    /// <param name="atCut">As they were when <see cref="BeginCut"/> was called.</param>
    /// <param name="content">Receives their octets, packed.</param>
    internal ExtentPages Read(int extent, ulong pages, bool atCut, Span<byte> content)
    {
        var (present, zero, at) = (0UL, 0UL, 0);
        for (var left = pages; left != 0; left &= left - 1)
        {
            var bit = BitOperations.TrailingZeroCount(left);
            var page = ((long)extent * Paging.PagesPerExtent) + bit;
            var number = atCut ? AtCut(page) : Now(page);
            if (number == PageContent.Zero)
            {
                zero |= 1UL << bit;
                continue;
            }
            Write(number, content.Slice(at, Paging.PageSize));
            present |= 1UL << bit;
            at += Paging.PageSize;
        }
        return new ExtentPages(extent, present, zero);
    }

    /// <summary>Writes a page. The guest's lock is held.</summary>
    internal void Set(long page, ulong number)
    {
        var (extent, bit) = ((int)(page / Paging.PagesPerExtent), (int)(page % Paging.PagesPerExtent));
        // The old number is in place before the new one can be seen: who reads the new one finds the old.
        _cut?.TryAdd(page, Now(page));
        var numbers = _extents[extent];
        if (numbers is null)
        {
            numbers = new ulong[Paging.PagesPerExtent];
            Array.Fill(numbers, Unwritten);
            Volatile.Write(ref _extents[extent], numbers);
        }
        Volatile.Write(ref numbers[bit], number);
        // After the page: who takes the mark from now on reads the new page.
        Interlocked.Or(ref _dirty[extent], 1UL << bit);
    }

    /// <summary>Writes octets from elsewhere. The guest's lock is held.</summary>
    internal void Set(long page, ReadOnlySpan<byte> content)
    {
        if (PageContent.Recognise(content) is { } number)
        {
            Set(page, number);
            return;
        }
        // From 1: the first number of this kind stands for a page that was never written.
        var name = ((ulong)(_foreign.Count + 1) << 2) | PageContent.Foreign;
        _foreign[name] = content.ToArray();
        Set(page, name);
    }

    /// <summary>Makes every page zero, whatever the seed says. The guest's lock is held.</summary>
    internal void Clear()
    {
        _isBlank = true;
        Array.Clear(_extents);
        _foreign.Clear();
        for (var extent = 0; extent < _dirty.Length; extent++) PutBackDirty(extent, PagesOf(extent));
    }

    /// <summary>Keeps what is overwritten from here on, so that this instant can be read while the guest runs. The guest's lock is held.</summary>
    internal void BeginCut() => _cut = new ConcurrentDictionary<long, ulong>();

    /// <summary>Forgets what was overwritten since <see cref="BeginCut"/>.</summary>
    internal void EndCut() => _cut = null;

    private ulong Now(long page)
    {
        if (Volatile.Read(ref _extents[page / Paging.PagesPerExtent]) is { } numbers)
        {
            var number = Volatile.Read(ref numbers[page % Paging.PagesPerExtent]);
            if (number != Unwritten) return number;
        }
        return _isBlank ? PageContent.Zero : Seeded(page);
    }

    private ulong AtCut(long page)
    {
        var now = Now(page);
        return _cut is { } cut && cut.TryGetValue(page, out var before) ? before : now;
    }

    private ulong Seeded(long page)
    {
        var chance = ReferenceRandom.Mix(_seed ^ (ulong)page);
        var share = chance % 100_000;
        return share < _zeroBelow ? PageContent.Zero : share < _noiseBelow ? PageContent.NoiseOf(chance) : PageContent.TextOf(chance);
    }

    private void Write(ulong number, Span<byte> content)
    {
        if (PageContent.IsForeign(number)) _foreign[number].CopyTo(content);
        else PageContent.Write(number, content);
    }
}
