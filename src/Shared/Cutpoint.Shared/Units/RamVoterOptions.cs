using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>What RAM's voter aims at.</summary>
public sealed record RamVoterOptions
{
    /// <summary>What the user of a capture asks for: an explicit downtime is a promise, the default one an aim.</summary>
    public static RamVoterOptions Of(CaptureOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new() { Budget = options.DowntimeGoal, MaxPasses = options.MaxPasses, CutAnyway = options.Downtime is null };
    }

    /// <summary>The longest pause allowed.</summary>
    public required TimeSpan Budget { get; init; }

    /// <summary>The most passes, at least 1.</summary>
    public uint MaxPasses { get; init; } = 30;

    /// <summary>
    /// What follows when more passes do not help or are not allowed: true stops the guest for longer than the budget, false gives up.
    /// </summary>
    public bool CutAnyway { get; init; }

    /// <summary>
    /// A pass helps when it brings the predicted pause below this share of the best so far. 0.95: a twentieth is more than the noise of the measurements.
    /// </summary>
    public double HelpfulShare { get; init; } = 0.95;

    /// <summary>Passes in a row that may fail to help. 2: one may have met a burst of writes.</summary>
    public int Patience { get; init; } = 2;
}
