namespace Cutpoint.Units;

/// <summary>
/// What a unit does in a save or a load: saved state contract, sections A.1 and A.6. Every callback is optional; a unit fails by throwing
/// (<see cref="UnitException"/> to choose the status). Callbacks of one unit never overlap. Votes and preparations must not touch the sink.
/// </summary>
public sealed record UnitCallbacks
{
    /// <summary>Once, before pass 0, while the guest may run.</summary>
    public Func<SaveContext, CancellationToken, ValueTask>? LivePrepare { get; init; }

    /// <summary>Once per pass, in list order, while the guest may run. The number is the pass.</summary>
    public Func<SaveContext, uint, CancellationToken, ValueTask<LiveOutcome>>? LiveExecute { get; init; }

    /// <summary>Once per pass, after every unit has executed it. Who has no voter is satisfied.</summary>
    public Func<SaveContext, uint, CancellationToken, ValueTask<Vote>>? LiveVote { get; init; }

    /// <summary>Once, when the guest is stopped, before anybody's final execution.</summary>
    public Func<SaveContext, CancellationToken, ValueTask>? SavePrepare { get; init; }

    /// <summary>The final pass; the guest is stopped.</summary>
    public Func<SaveContext, CancellationToken, ValueTask>? SaveExecute { get; init; }

    /// <summary>
    /// Always, also after a failure, for every unit that was called before and for those with neither <see cref="SavePrepare"/> nor
    /// <see cref="SaveExecute"/>. <see cref="SaveContext.Status"/> tells the outcome. Cannot be cancelled.
    /// </summary>
    public Func<SaveContext, ValueTask>? SaveDone { get; init; }

    /// <summary>Once, before anything is loaded.</summary>
    public Func<LoadContext, CancellationToken, ValueTask>? LoadPrepare { get; init; }

    /// <summary>For each section of the unit in the order they were saved: the section's version and its pass.</summary>
    public Func<LoadContext, uint, uint, CancellationToken, ValueTask>? LoadExecute { get; init; }

    /// <summary>Always, also after a failure, by the rule of <see cref="SaveDone"/>.</summary>
    public Func<LoadContext, ValueTask>? LoadDone { get; init; }
}
