namespace Cutpoint.Units;

/// <summary>How a guest's units are saved.</summary>
public sealed record SaveOptions
{
    /// <summary>What becomes of the guest.</summary>
    public SaveAfter After { get; init; } = SaveAfter.Continue;

    /// <summary>The pause a live save may cause, for the voters; null when any.</summary>
    public TimeSpan? MaxDowntime { get; init; }

    /// <summary>Limits between passes.</summary>
    public SaveLimits Limits { get; init; } = new();

    /// <summary>
    /// Units whose live executions run side by side. 1 is the contract: list order, one after another. The final pass always keeps list order.
    /// </summary>
    public int LiveConcurrency { get; init; } = 1;

    /// <summary>Asked between passes whether the stream underneath is sound; throws when not, for instance when the disk is nearly full.</summary>
    public Func<CancellationToken, ValueTask>? CheckStream { get; init; }

    /// <summary>Told every whole percent once, from 0 to 100. Called in order, never from two threads at once.</summary>
    public Action<int>? Progress { get; init; }
}
