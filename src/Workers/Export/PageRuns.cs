using System.Numerics;

namespace Cutpoint.Workers.Export;

/// <summary>The runs of neighbouring pages in a mask.</summary>
internal static class PageRuns
{
    /// <summary>First page and count of each run, ascending.</summary>
    public static Enumerator Of(ulong mask) => new(mask);

    public ref struct Enumerator(ulong mask)
    {
        private ulong _rest = mask;

        public (int First, int Count) Current { get; private set; }

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            if (_rest == 0) return false;
            var first = BitOperations.TrailingZeroCount(_rest);
            var count = BitOperations.TrailingZeroCount(~(_rest >> first));
            _rest = first + count == 64 ? 0 : _rest & (ulong.MaxValue << (first + count));
            Current = (first, count);
            return true;
        }
    }
}
