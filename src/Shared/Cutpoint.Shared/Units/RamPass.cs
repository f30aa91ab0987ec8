namespace Cutpoint.Units;

/// <summary>What a pass over a guest's RAM found and cost.</summary>
/// <param name="Pass">Number of the pass.</param>
/// <param name="DirtyPages">Pages it found changed since the pass before; pass 0 finds all of them.</param>
/// <param name="EmittedOctets">Octets of pages it handed to the sink.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Costs">What a pause costs, as measured by now.</param>
public sealed record RamPass(uint Pass, long DirtyPages, long EmittedOctets, TimeSpan Duration, PauseModel Costs)
{
    /// <summary>Octets of pages dirty at this moment, when the tracker knows without a scan; otherwise they are predicted.</summary>
    public long? Rest { get; init; }
}
