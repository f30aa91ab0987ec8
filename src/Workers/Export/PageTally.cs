using System.Numerics;
using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Counts what a file says of each page of a RAM block; what it says last counts. Memory grows with the pages the file speaks of, never with the length it claims.
/// </summary>
internal sealed class PageTally(string name, long length, int pageSize)
{
    private readonly Dictionary<long, (ulong Seen, ulong Data)> _words = [];
    private long _repeated;

    public void Add(long offset, bool isZero)
    {
        var page = offset / pageSize;
        var bit = 1UL << (int)(page & 63);
        ref var word = ref CollectionsMarshal.GetValueRefOrAddDefault(_words, page >> 6, out _);
        if ((word.Seen & bit) != 0) _repeated++;
        word.Seen |= bit;
        word.Data = isZero ? word.Data & ~bit : word.Data | bit;
    }

    public InspectedBlock Total()
    {
        long seen = 0, data = 0;
        foreach (var word in _words.Values)
        {
            seen += BitOperations.PopCount(word.Seen);
            data += BitOperations.PopCount(word.Data);
        }
        return new InspectedBlock(name, length, data, seen - data, length / pageSize - seen, _repeated);
    }
}
