using System.Collections.Concurrent;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>
/// The part of a save that runs while the guest is stopped, in the order of the saved state contract, section A.6:
/// <see cref="SavePrepareAsync"/>, <see cref="SaveExecuteAsync"/>, and always <see cref="CompleteAsync"/>, also after a failure.
/// The host calls one method at a time; only <see cref="UnitRun.Cancel"/> may be called meanwhile.
/// </summary>
public abstract class UnitSave : UnitRun
{
    private readonly IUnitSinks _sinks;
    private readonly ConcurrentDictionary<UnitRegistration, SaveContext> _contexts = new();
    private long _written;
    private RunOutcome? _outcome;

    private protected UnitSave(UnitRegistry registry, IUnitSinks sinks, SaveOptions options, UnitProgress progress)
        : base(registry)
    {
        _sinks = sinks;
        Options = options;
        Progress = progress;
    }

    /// <summary>Octets the sinks have taken in so far.</summary>
    public long Written => Interlocked.Read(ref _written);

    internal SaveOptions Options { get; }

    private protected UnitProgress Progress { get; }

    private protected SavePhase Phase { get; set; }

    /// <summary>The guest has stopped: every unit prepares its final execution.</summary>
    /// <exception cref="SnapshotException">A unit failed; only <see cref="CompleteAsync"/> is left to do.</exception>
    public async Task SavePrepareAsync(CancellationToken cancellation)
    {
        Enter(SavePhase.SavePrepared, this is LiveSave ? SavePhase.LivePrepared : SavePhase.Created);
        foreach (var unit in Registry.Snapshot)
        {
            Progress.AddEstimate(unit.EstimatedSize);
            if (unit.Callbacks.SavePrepare is { } prepare)
                await CallAsync(unit, nameof(UnitCallbacks.SavePrepare), token => prepare(ContextOf(unit), token), cancellation).ConfigureAwait(false);
        }
        Progress.EndPrepare();
    }

    /// <summary>The final pass, in list order.</summary>
    /// <exception cref="SnapshotException">A unit failed; only <see cref="CompleteAsync"/> is left to do.</exception>
    public async Task SaveExecuteAsync(CancellationToken cancellation)
    {
        Enter(SavePhase.SaveExecuted, SavePhase.SavePrepared);
        using var either = Link(cancellation);
        var units = Registry.Snapshot;
        for (var i = 0; i < units.Length; i++)
        {
            var unit = units[i];
            await ReportUnitAsync(i, units.Length, cancellation).ConfigureAwait(false);
            Progress.BeginUnit(unit.EstimatedSize);
            if (unit.Callbacks.SaveExecute is { } execute)
            {
                Observe(cancellation);
                await ExecuteAsync(
                    unit,
                    UnitRegistration.FinalPass,
                    nameof(UnitCallbacks.SaveExecute),
                    async token =>
                    {
                        await execute(ContextOf(unit), token).ConfigureAwait(false);
                        return true;
                    },
                    either.Token).ConfigureAwait(false);
                // A unit may have hidden the refusal of its sink; it has still not written everything.
                Observe(cancellation);
            }
            else
            {
                MarkCalled(unit);
            }
            if (this is OfflineSave) Progress.EndUnit();
        }
        await ReportUnitAsync(units.Length, units.Length, cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Tells the units how the save ended and ends it. Required after success and failure alike; what failed before, or fails here, is in the outcome and
    /// not thrown. A save that never executed its final pass counts as cancelled. Cannot be cancelled itself.
    /// </summary>
    public async Task<RunOutcome> CompleteAsync()
    {
        if (_outcome is not null) return _outcome;
        if (Phase != SavePhase.SaveExecuted)
            Fail(new UnitException(SavedStateStatus.Cancelled, "the save was abandoned before its final pass"));
        Phase = SavePhase.Completed;
        await TellAsync(
            nameof(UnitCallbacks.SaveDone),
            unit => unit.Callbacks.SaveDone is { } done ? () => done(ContextOf(unit)) : null,
            static callbacks => callbacks.SavePrepare is not null || callbacks.SaveExecute is not null).ConfigureAwait(false);
        await LeaveAsync().ConfigureAwait(false);
        if (Fault is null) Progress.Set(100);
        return _outcome = new RunOutcome(Status, Fault);
    }

    private protected override Task EndAsync() => CompleteAsync();

    private protected SaveContext ContextOf(UnitRegistration unit) => _contexts.GetOrAdd(unit, static (u, save) => new SaveContext(save, u), this);

    /// <summary>Steps to a phase. A save that has failed takes no step but its completion.</summary>
    private protected void Enter(SavePhase next, SavePhase required)
    {
        if (Fault is not null) throw Fault;
        if (Phase != required) throw new UnitException(SavedStateStatus.InvalidState, $"a save in phase {Phase} cannot go on to {next}");
        Phase = next;
    }

    /// <summary>Executes a unit between the opening and the closing of its sink.</summary>
    private protected async Task<T> ExecuteAsync<T>(
        UnitRegistration unit, uint pass, string callback, Func<CancellationToken, ValueTask<T>> execute, CancellationToken cancellation)
    {
        var context = ContextOf(unit);
        IUnitSink sink;
        try
        {
            sink = await _sinks.OpenAsync(unit, pass, Count, cancellation).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            throw Fail(e);
        }
        var succeeded = false;
        try
        {
            context.Attach(sink);
            var result = await CallAsync(unit, callback, execute, cancellation).ConfigureAwait(false);
            succeeded = true;
            return result;
        }
        finally
        {
            context.Attach(null);
            await CloseAsync(unit, pass, succeeded).ConfigureAwait(false);
        }
    }

    private protected ValueTask ReportAsync(uint pass, double percent, CancellationToken cancellation) =>
        _sinks.ReportAsync(pass, percent, cancellation);

    /// <summary>Reports how far the list is, where octets do not drive the progress.</summary>
    private protected virtual ValueTask ReportUnitAsync(int unit, int count, CancellationToken cancellation) => ValueTask.CompletedTask;

    private void Count(long octets)
    {
        Interlocked.Add(ref _written, octets);
        if (this is OfflineSave) Progress.Advance(octets);
    }

    private async ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded)
    {
        try
        {
            await _sinks.CloseAsync(unit, pass, succeeded).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            throw Fail(e);
        }
    }
}
