using Cutpoint.Guests;

namespace Cutpoint.Compression;

/// <summary>Recognises pages that are all zero. Most pages that are not differ in the first octets, so the test usually ends
/// there.</summary>
public static class ZeroPages
{
    /// <summary>True when every octet is zero.</summary>
    public static bool IsZero(ReadOnlySpan<byte> octets) => !octets.ContainsAnyExcept((byte)0);

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
