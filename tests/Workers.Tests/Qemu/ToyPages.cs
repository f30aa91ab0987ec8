using System.Runtime.InteropServices;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>The toy guest's own check of its pages, done from outside.</summary>
internal static class ToyPages
{
    private const int Arena = 4 << 20;
    private const int Pages = 2 * 256;

    /// <summary>Pages that are not whole. One may be: the guest was stopped while it wrote it.</summary>
    public static int CountBad(ReadOnlySpan<byte> memory)
    {
        var bad = 0;
        for (uint i = 0; i < Pages; i++)
        {
            var words = MemoryMarshal.Cast<byte, uint>(memory.Slice(Arena + ((int)i * Paging.PageSize), Paging.PageSize));
            var seed = (i * 2654435761u) ^ (words[2] * 40503u);
            var sum = 0u;
            var whole = words[0] == 0x50414e53 && words[1] == i;
            for (var k = 4; k < 1024; k++)
            {
                seed = (seed * 1664525u) + 1013904223u;
                whole &= words[k] == seed;
                sum += seed;
            }
            if (!whole || words[3] != sum) bad++;
        }
        return bad;
    }
}
