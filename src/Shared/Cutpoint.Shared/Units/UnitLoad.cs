using System.Collections.Concurrent;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>Loads units: saved state contract, section A.6. Preparations and ends go in list order, sections in the order they were saved.</summary>
public sealed class UnitLoad : UnitRun
{
    private const int Prepare = 2;
    private const int Done = 2;

    private readonly IUnitSections _sections;
    private readonly UnitProgress _progress;
    private readonly ConcurrentDictionary<UnitRegistration, LoadContext> _contexts = new();
    private RunOutcome? _outcome;

    private UnitLoad(UnitRegistry registry, IUnitSections sections, LoadOptions options)
        : base(registry)
    {
        _sections = sections;
        _progress = new UnitProgress(options.Progress, live: 0, Prepare, Done);
        After = options.After;
    }

    internal LoadAfter After { get; }

    internal bool IsLive => _sections.IsLive;

    /// <summary>Loads every section.</summary>
    /// <exception cref="SnapshotException">A unit or the input failed, or the load was cancelled. Every unit called before has been told.</exception>
    public static async Task RunAsync(UnitRegistry registry, IUnitSections sections, LoadOptions options, CancellationToken cancellation)
    {
        var load = new UnitLoad(registry, sections, options);
        await using (load.ConfigureAwait(false))
        {
            // What failed is kept as the load's fault and thrown when everybody has been told.
            await load.LoadAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            (await load.CompleteAsync().ConfigureAwait(false)).ThrowIfFailed();
        }
    }

    internal void ReportPercent(double percent) => _progress.Change(Math.Min((int)(percent * (100 - Prepare - Done) / 100) + Prepare, 100 - Done));

    private protected override Task EndAsync() => CompleteAsync();

    private async Task LoadAsync(CancellationToken cancellation)
    {
        _progress.Set(0);
        try
        {
            foreach (var unit in Registry.Snapshot)
            {
                if (unit.Callbacks.LoadPrepare is { } prepare)
                    await CallAsync(unit, nameof(UnitCallbacks.LoadPrepare), token => prepare(ContextOf(unit), token), cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            _progress.AddEstimate(_sections.Length ?? long.MaxValue);
            _progress.BeginUnit(_sections.Length ?? long.MaxValue);
            _progress.EndPrepare();
        }
        using var either = Link(cancellation);
        try
        {
            while (await _sections.NextAsync(Count, either.Token).ConfigureAwait(false) is { } section)
            {
                await LoadAsync(section, either.Token).ConfigureAwait(false);
                Observe(cancellation);
            }
        }
        catch (Exception e)
        {
            Observe(cancellation);
            throw Fail(e);
        }
        if (!IsLive) _progress.EndUnit();
    }

    private async Task LoadAsync(UnitSection section, CancellationToken cancellation)
    {
        var unit = Registry.Find(section.Key);
        if (unit is null)
        {
            if (After != LoadAfter.Inspect)
            {
                throw new UnitException(
                    SavedStateStatus.IntegrityUnitNotFound,
                    $"the input holds unit {section.Key}, which this guest does not have",
                    "load it into a guest with the same devices");
            }
            await _sections.EndAsync(skip: true, cancellation).ConfigureAwait(false);
            return;
        }
        if (unit.Callbacks.LoadExecute is not { } execute)
            throw new UnitException(SavedStateStatus.NoLoadExecute, $"unit {unit.Key} cannot load");
        var context = ContextOf(unit);
        context.Attach(section.Source);
        try
        {
            await CallAsync(
                unit,
                nameof(UnitCallbacks.LoadExecute),
                token => execute(context, section.Version, section.Pass, token),
                cancellation).ConfigureAwait(false);
        }
        finally
        {
            context.Attach(null);
        }
        await _sections.EndAsync(skip: false, cancellation).ConfigureAwait(false);
    }

    private async Task<RunOutcome> CompleteAsync()
    {
        if (_outcome is not null) return _outcome;
        await TellAsync(
            nameof(UnitCallbacks.LoadDone),
            unit => unit.Callbacks.LoadDone is { } done ? () => done(ContextOf(unit)) : null,
            static callbacks => callbacks.LoadPrepare is not null || callbacks.LoadExecute is not null).ConfigureAwait(false);
        _progress.Set(99);
        await LeaveAsync().ConfigureAwait(false);
        if (Fault is null) _progress.Set(100);
        return _outcome = new RunOutcome(Status, Fault);
    }

    private LoadContext ContextOf(UnitRegistration unit) => _contexts.GetOrAdd(unit, static (u, load) => new LoadContext(load, u), this);

    private void Count(long octets)
    {
        if (!IsLive) _progress.Advance(octets);
    }
}
