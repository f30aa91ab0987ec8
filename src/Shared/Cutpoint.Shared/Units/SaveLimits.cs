namespace Cutpoint.Units;

/// <summary>Limits a live save is held to between its passes: saved state contract, section B.6.</summary>
public sealed record SaveLimits
{
    /// <summary>
    /// The most passes. The contract's own 1,048,576 is no limit at all; pages a guest rewrites faster than 64 passes can follow will not settle later.
    /// </summary>
    public uint MaxPasses { get; init; } = 64;

    /// <summary>Octets written over all passes, as a multiple of the sum of the units' estimates. The contract's own 10,000 fills any disk first.</summary>
    public long MaxGrowth { get; init; } = 16;

    /// <summary>Octets that may always be written, whatever the estimates say; the contract's own value.</summary>
    public long GrowthFloor { get; init; } = 1L << 30;

    /// <summary>The contract's own numbers when it writes a file.</summary>
    public static SaveLimits OfFile { get; } = new() { MaxPasses = 1_048_576, MaxGrowth = 10_000 };

    /// <summary>The contract's own numbers when it writes a stream.</summary>
    public static SaveLimits OfStream { get; } = new() { MaxPasses = 1_048_576, MaxGrowth = 100_000 };
}
