using System.Numerics;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>A set of extents of one RAM block: one bit each. Reading is safe for concurrent use.</summary>
internal sealed class ExtentSet(int extents)
{
    private readonly ulong[] _words = new ulong[(extents + 63) / 64];

    /// <summary>Extents of the block.</summary>
    public int Extents { get; } = extents;

    /// <summary>Extents in the set.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var word in _words) count += BitOperations.PopCount(word);
            return count;
        }
    }

    /// <summary>Adds a run of extents, both ends included.</summary>
    public void Add(int first, int last)
    {
        for (var extent = first; extent <= last; extent++) _words[extent >> 6] |= 1UL << (extent & 63);
    }

    /// <summary>Adds the extents of another set.</summary>
    public void Add(ExtentSet other)
    {
        for (var i = 0; i < _words.Length; i++) _words[i] |= other._words[i];
    }

    public bool Contains(int extent) => (_words[extent >> 6] >> (extent & 63) & 1) != 0;

    /// <summary>The first extent of the set from <paramref name="from"/> on, or -1.</summary>
    public int Next(int from)
    {
        for (var word = from >> 6; word < _words.Length; word++)
        {
            var bits = _words[word];
            if (word == from >> 6) bits &= ulong.MaxValue << (from & 63);
            if (bits != 0) return (word << 6) + BitOperations.TrailingZeroCount(bits);
        }
        return -1;
    }
}
