using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>The pages of a chunk in the order of addresses, zero pages included.</summary>
internal static class ChunkPages
{
    /// <summary>Walks a chunk, which must not be disposed meanwhile.</summary>
    public static Enumerator Of(PageChunk chunk) => new(chunk);

    /// <summary>One page.</summary>
    /// <param name="offset">Octets into the block.</param>
    /// <param name="octets">Its contents; empty for a page that is all zero.</param>
    public readonly ref struct Page(long offset, ReadOnlySpan<byte> octets)
    {
        public long Offset => offset;

        public ReadOnlySpan<byte> Octets { get; } = octets;

        public bool IsZero => Octets.IsEmpty;
    }

    public ref struct Enumerator(PageChunk chunk)
    {
        private readonly ReadOnlySpan<ExtentPages> _extents = chunk.Extents;
        private ReadOnlySpan<byte> _octets = chunk.Pages;
        private int _extent = -1;
        private ulong _rest;

        public Page Current { get; private set; }

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            while (_rest == 0)
            {
                if (++_extent == _extents.Length) return false;
                _rest = _extents[_extent].Present | _extents[_extent].Zero;
            }
            var page = BitOperations.TrailingZeroCount(_rest);
            _rest &= _rest - 1;
            var offset = ((long)_extents[_extent].Extent * Paging.ExtentSize) + ((long)page * Paging.PageSize);
            if ((_extents[_extent].Present >> page & 1) == 0)
            {
                Current = new Page(offset, default);
                return true;
            }
            Current = new Page(offset, _octets[..Paging.PageSize]);
            _octets = _octets[Paging.PageSize..];
            return true;
        }
    }
}
