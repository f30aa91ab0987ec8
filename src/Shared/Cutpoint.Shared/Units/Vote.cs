namespace Cutpoint.Units;

/// <summary>A vote with the numbers it rests on, so that it can be explained afterwards.</summary>
/// <param name="Unit">Who voted.</param>
/// <param name="Pass">After which pass.</param>
/// <param name="Decision">The answer.</param>
/// <param name="Reason">Why, in one line for people.</param>
public sealed record Vote(UnitKey Unit, uint Pass, VoteDecision Decision, string? Reason = null)
{
    /// <summary>The pause the unit predicts if the guest were stopped now, or null when it predicts none.</summary>
    public TimeSpan? PredictedPause { get; init; }

    /// <summary>The numbers behind the decision, by name with unit, such as "dirty_pages" or "sink_bytes_per_second".</summary>
    public IReadOnlyDictionary<string, double> Numbers { get; init; } = new Dictionary<string, double>();
}
