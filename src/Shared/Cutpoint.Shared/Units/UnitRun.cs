using System.Collections.Concurrent;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>
/// What a save and a load have in common: one unit at a time through its actor, the first failure counts, cancellation is seen at fixed points, and who was
/// called is told the end.
/// </summary>
public abstract class UnitRun : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancelled = new();
    private readonly ConcurrentDictionary<UnitRegistration, UnitActor> _actors = new();
    private readonly ConcurrentDictionary<UnitRegistration, bool> _called = new();
    private bool _cancellable = true;

    private protected UnitRun(UnitRegistry registry)
    {
        Registry = registry;
        registry.Enter(this);
    }

    /// <summary>The first failure, or null.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>The number of <see cref="Fault"/>.</summary>
    public SavedStateStatus Status => UnitException.StatusOf(Fault);

    private protected UnitRegistry Registry { get; }

    /// <summary>
    /// Cancels the run at its next point of observation: before each unit is executed, in every sink, and at the end. Votes and preparations are not
    /// interrupted. See <see cref="UnitRegistry.Cancel"/> for what is returned.
    /// </summary>
    public SavedStateStatus Cancel()
    {
        lock (_gate)
        {
            if (!_cancellable) return SavedStateStatus.NoPendingOperation;
            if (_cancelled.IsCancellationRequested) return SavedStateStatus.AlreadyCancelled;
        }
        _cancelled.Cancel();
        return SavedStateStatus.Ok;
    }

    /// <summary>Ends the run if nobody did.</summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    /// <summary>Tells the units the end and leaves. More calls than one do nothing.</summary>
    private protected abstract Task EndAsync();

    /// <summary>Keeps the first failure; gives back the one that counts.</summary>
    private protected Exception Fail(Exception fault)
    {
        lock (_gate) return Fault ??= fault;
    }

    /// <summary>A unit fails the run from inside of a callback.</summary>
    internal void SetFault(UnitException fault) => Fail(fault);

    private protected bool WasCalled(UnitRegistration unit) => _called.ContainsKey(unit);

    private protected void MarkCalled(UnitRegistration unit) => _called[unit] = true;

    /// <summary>The token of executions: the caller's and the run's own.</summary>
    private protected CancellationTokenSource Link(CancellationToken cancellation) =>
        CancellationTokenSource.CreateLinkedTokenSource(_cancelled.Token, cancellation);

    /// <summary>A point of observation.</summary>
    private protected void Observe(CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) throw Fail(new OperationCanceledException(cancellation));
        if (_cancelled.IsCancellationRequested) throw Fail(Cancelled());
    }

    /// <summary>Calls a unit through its actor. A failure becomes the run's and is thrown.</summary>
    private protected async Task<T> CallAsync<T>(
        UnitRegistration unit, string callback, Func<CancellationToken, ValueTask<T>> call, CancellationToken cancellation)
    {
        MarkCalled(unit);
        var before = Fault;
        try
        {
            var result = await _actors.GetOrAdd(unit, static u => new UnitActor(u)).CallAsync(callback, call, cancellation).ConfigureAwait(false);
            // A failure from before is not this call's: those who are told the end are called all the same.
            return before is null && Fault is { } fault ? throw fault : result;
        }
        catch (OperationCanceledException e) when (cancellation.IsCancellationRequested)
        {
            throw Fail(_cancelled.IsCancellationRequested ? Cancelled() : e);
        }
        catch (SnapshotException e)
        {
            throw Fail(e);
        }
        catch (Exception e)
        {
            throw Fail(new SnapshotException(ErrorCode.Failed, $"unit {unit.Key}: {callback}: {e.Message}", inner: e));
        }
    }

    private protected Task CallAsync(
        UnitRegistration unit, string callback, Func<CancellationToken, ValueTask> call, CancellationToken cancellation) =>
        CallAsync(
            unit,
            callback,
            async token =>
            {
                await call(token).ConfigureAwait(false);
                return true;
            },
            cancellation);

    /// <summary>Tells everybody the end; failures count, but stop nobody from being told.</summary>
    private protected async Task TellAsync(string callback, Func<UnitRegistration, Func<ValueTask>?> done, Func<UnitCallbacks, bool> acts)
    {
        foreach (var unit in Registry.Snapshot)
        {
            if (done(unit) is not { } tell || (!WasCalled(unit) && acts(unit.Callbacks))) continue;
            await CallAsync(unit, callback, _ => tell(), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The end: from here on nothing can be cancelled, and the guest's units are free for another run.</summary>
    private protected async Task LeaveAsync()
    {
        lock (_gate)
        {
            _cancellable = false;
            if (_cancelled.IsCancellationRequested) Fault ??= Cancelled();
        }
        Registry.Leave(this);
        foreach (var actor in _actors.Values) await actor.DisposeAsync().ConfigureAwait(false);
        _cancelled.Dispose();
    }

    private static UnitException Cancelled() => new(SavedStateStatus.Cancelled, "cancelled");
}
