namespace Cutpoint.Guests;

/// <summary>Which pages of one extent a record speaks of. Bit n stands for page n of the extent; the masks are disjoint.</summary>
/// <param name="Extent">Number of the extent in its RAM block, from 0.</param>
/// <param name="Present">Pages whose octets are carried.</param>
/// <param name="Zero">Pages known to be all zero; no octets are carried for them.</param>
public readonly record struct ExtentPages(int Extent, ulong Present, ulong Zero)
{
    /// <summary>Pages carried.</summary>
    public int PresentCount => System.Numerics.BitOperations.PopCount(Present);

    /// <summary>Pages known to be zero.</summary>
    public int ZeroCount => System.Numerics.BitOperations.PopCount(Zero);
}
