using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Cutpoint.Guests;

namespace Cutpoint.Compression;

/// <summary>Recognises pages that are all zero. Most pages that are not differ in the first octets, so the test usually ends
/// there.</summary>
public static class ZeroPages
{
    /// <summary>True when every octet is zero.</summary>
    public static bool IsZero(ReadOnlySpan<byte> octets)
    {
        // Eight vectors for each decision: the program is compiled for processors with small ones, and the framework's search decides after each.
        ref var start = ref MemoryMarshal.GetReference(octets);
        nuint at = 0;
        for (; at + 128 <= (nuint)octets.Length; at += 128)
        {
            var first = Vector128.LoadUnsafe(ref start, at) | Vector128.LoadUnsafe(ref start, at + 16)
                | Vector128.LoadUnsafe(ref start, at + 32) | Vector128.LoadUnsafe(ref start, at + 48);
            var second = Vector128.LoadUnsafe(ref start, at + 64) | Vector128.LoadUnsafe(ref start, at + 80)
                | Vector128.LoadUnsafe(ref start, at + 96) | Vector128.LoadUnsafe(ref start, at + 112);
            if ((first | second) != Vector128<byte>.Zero) return false;
        }
        return !octets[(int)at..].ContainsAnyExcept((byte)0);
    }

    /// <summary>Which pages of an extent are zero: bit n stands for page n.</summary>
    /// <param name="extent">At most 64 whole pages.</param>
    public static ulong Mask(ReadOnlySpan<byte> extent)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(extent.Length, Paging.ExtentSize);
        ulong mask = 0;
        for (var page = 0; page < extent.Length / Paging.PageSize; page++)
        {
            if (IsZero(extent.Slice(page * Paging.PageSize, Paging.PageSize))) mask |= 1UL << page;
        }
        return mask;
    }
}
