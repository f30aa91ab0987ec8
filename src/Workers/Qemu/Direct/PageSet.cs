using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>A set of pages of one RAM block: a mask per extent, 32 KiB for a GiB of guest memory. Reading is safe for concurrent use.</summary>
internal sealed class PageSet(int extents)
{
    private readonly ulong[] _masks = new ulong[extents];

    /// <summary>Extents that have a page in the set.</summary>
    public int ExtentCount
    {
        get
        {
            var count = 0;
            foreach (var mask in _masks)
            {
                if (mask != 0) count++;
            }
            return count;
        }
    }

    /// <summary>Pages in the set.</summary>
    public long PageCount
    {
        get
        {
            long count = 0;
            foreach (var mask in _masks) count += BitOperations.PopCount(mask);
            return count;
        }
    }

    /// <summary>The pages of an extent that are in the set.</summary>
    public ulong this[int extent] => _masks[extent];

    /// <summary>Adds a run of pages.</summary>
    public void Add(long first, long count)
    {
        while (count > 0)
        {
            var bit = (int)(first % Paging.PagesPerExtent);
            var here = (int)Math.Min(count, Paging.PagesPerExtent - bit);
            _masks[first / Paging.PagesPerExtent] |= ulong.MaxValue >> (Paging.PagesPerExtent - here) << bit;
            first += here;
            count -= here;
        }
    }

    /// <summary>Adds pages of an extent.</summary>
    public void Add(int extent, ulong pages) => _masks[extent] |= pages;

    /// <summary>Adds the pages of another set.</summary>
    public void Add(PageSet other)
    {
        for (var i = 0; i < _masks.Length; i++) _masks[i] |= other._masks[i];
    }

    /// <summary>Takes out the pages of an extent that are not among those given.</summary>
    public void Keep(int extent, ulong pages) => _masks[extent] &= pages;

    /// <summary>Takes all pages out.</summary>
    public void Clear() => Array.Clear(_masks);

    /// <summary>The first extent from <paramref name="from"/> on that has a page in the set, or -1.</summary>
    public int Next(int from)
    {
        for (; from < _masks.Length; from++)
        {
            if (_masks[from] != 0) return from;
        }
        return -1;
    }
}
