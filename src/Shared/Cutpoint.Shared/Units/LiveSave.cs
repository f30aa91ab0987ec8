using System.Collections.Concurrent;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>
/// Saves a guest while it runs: saved state contract, section B. The host sets the pace:
/// <code>
/// LivePrepareAsync ─▶ (ExecutePassAsync ─▶ VoteAsync)* ─▶ guest stops ─▶ SavePrepareAsync ─▶ SaveExecuteAsync ─▶ CompleteAsync
/// </code>
/// <see cref="UnitSave.CompleteAsync"/> is due however the save ends. Live passes may be left out altogether, and may go on after the votes have converged.
/// </summary>
public sealed class LiveSave : UnitSave
{
    private const int NobodyReported = 101;

    private readonly ConcurrentDictionary<UnitRegistration, bool> _finished = new();
    private readonly List<Vote> _votes = [];
    private uint? _pass;
    private bool _voting;
    private int _lowestPercent;

    /// <summary>Starts a live save. Every unit is called from its first pass on, whatever an earlier save has told it.</summary>
    /// <exception cref="UnitException">Another save or load of these units is under way.</exception>
    public LiveSave(UnitRegistry registry, IUnitSinks sinks, SaveOptions options)
        : base(registry, sinks, options, new UnitProgress(options.Progress, live: 93, prepare: 2, done: 2))
    {
    }

    /// <summary>Every vote of the save, in order.</summary>
    public IReadOnlyList<Vote> Votes => _votes;

    /// <summary>Every unit prepares for pass 0.</summary>
    public async Task LivePrepareAsync(CancellationToken cancellation)
    {
        Enter(SavePhase.LivePrepared, SavePhase.Created);
        foreach (var unit in Registry.Snapshot)
        {
            if (unit.Callbacks.LivePrepare is { } prepare)
                await CallAsync(unit, nameof(UnitCallbacks.LivePrepare), token => prepare(ContextOf(unit), token), cancellation).ConfigureAwait(false);
        }
        Progress.Set(2);
    }

    /// <summary>Executes every unit that has not finished.</summary>
    /// <param name="pass">Above the pass before.</param>
    /// <param name="cancellation">Ends the pass and the save.</param>
    public async Task ExecutePassAsync(uint pass, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(pass, UnitRegistration.FinalPass);
        if (_pass is { } last) ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(pass, last);
        Enter(SavePhase.LivePrepared, SavePhase.LivePrepared);
        _pass = pass;
        var due = Registry.Snapshot.Where(u => u.Callbacks.LiveExecute is not null && !_finished.ContainsKey(u));
        using var either = Link(cancellation);
        if (Options.LiveConcurrency <= 1)
        {
            foreach (var unit in due) await LiveExecuteAsync(unit, pass, either.Token, cancellation).ConfigureAwait(false);
            return;
        }
        try
        {
            await Parallel.ForEachAsync(
                due,
                new ParallelOptions { MaxDegreeOfParallelism = Options.LiveConcurrency, CancellationToken = either.Token },
                async (unit, token) => await LiveExecuteAsync(unit, pass, token, cancellation).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The first failure made the others end; it is the one that counts.
            Observe(cancellation);
            throw Fail(e);
        }
    }

    /// <summary>Asks every unit that has not finished, in list order, and weighs the limits.</summary>
    public async Task<PassOutcome> VoteAsync(uint pass, CancellationToken cancellation)
    {
        Enter(SavePhase.LivePrepared, SavePhase.LivePrepared);
        var votes = new List<Vote>();
        var another = false;
        var before = _lowestPercent;
        _lowestPercent = NobodyReported;
        foreach (var unit in Registry.Snapshot)
        {
            if (unit.Callbacks.LiveVote is not { } ask || _finished.ContainsKey(unit)) continue;
            var vote = await AskAsync(unit, ask, pass, cancellation).ConfigureAwait(false);
            votes.Add(vote);
            _votes.Add(vote);
            switch (vote.Decision)
            {
                case VoteDecision.Done:
                    break;
                case VoteDecision.AnotherPass:
                    another = true;
                    break;
                case VoteDecision.DoneDontCallAgain:
                    _finished[unit] = true;
                    break;
                case VoteDecision.GiveUp:
                    return GiveUp(pass, votes, new UnitException(
                        SavedStateStatus.VoteForGivingUp, $"unit {unit.Key} gave up after pass {pass}: {vote.Reason ?? "no reason given"}"));
                default:
                    throw Fail(new UnitException(
                        SavedStateStatus.UnexpectedInformation, $"unit {unit.Key}: {vote.Decision} is no answer to a vote"));
            }
        }
        if (!another)
        {
            _lowestPercent = 100;
            return new PassOutcome(pass, PassVerdict.Converged, votes);
        }
        if (_lowestPercent == NobodyReported) _lowestPercent = 0;
        if (_lowestPercent != before) await ReportLiveAsync(pass, _lowestPercent * Progress.LiveShare / 100.0, cancellation).ConfigureAwait(false);
        return await WeighAsync(pass, votes, cancellation).ConfigureAwait(false);
    }

    internal void ReportPercent(int percent)
    {
        if (_voting) _lowestPercent = Math.Min(_lowestPercent, percent);
    }

    private protected override ValueTask ReportUnitAsync(int unit, int count, CancellationToken cancellation)
    {
        var executed = count == 0 ? 100 : (int)(unit * 100L / count);
        return ReportLiveAsync(UnitRegistration.FinalPass, (executed * Progress.FinalShare / 100.0) + Progress.Prepared, cancellation);
    }

    private async Task LiveExecuteAsync(UnitRegistration unit, uint pass, CancellationToken either, CancellationToken cancellation)
    {
        Observe(cancellation);
        var outcome = await ExecuteAsync(
            unit, pass, nameof(UnitCallbacks.LiveExecute), token => unit.Callbacks.LiveExecute!(ContextOf(unit), pass, token), either).ConfigureAwait(false);
        if (outcome == LiveOutcome.DontCallAgain) _finished[unit] = true;
    }

    private async Task<Vote> AskAsync(
        UnitRegistration unit, Func<SaveContext, uint, CancellationToken, ValueTask<Vote>> ask, uint pass, CancellationToken cancellation)
    {
        _voting = true;
        try
        {
            var vote = await CallAsync(
                unit, nameof(UnitCallbacks.LiveVote), token => ask(ContextOf(unit), pass, token), cancellation).ConfigureAwait(false);
            return vote with { Unit = unit.Key, Pass = pass };
        }
        finally
        {
            _voting = false;
        }
    }

    private async Task<PassOutcome> WeighAsync(uint pass, List<Vote> votes, CancellationToken cancellation)
    {
        var limits = Options.Limits;
        var estimate = Registry.Snapshot.Aggregate((Int128)0, static (sum, unit) => sum + unit.EstimatedSize);
        var most = Int128.Max(limits.GrowthFloor, estimate * limits.MaxGrowth);
        if (Written > most)
        {
            return GiveUp(pass, votes, new UnitException(
                SavedStateStatus.StateGrewTooBig,
                $"{Written} octets were written after pass {pass}, the limit is {most}",
                "the guest writes its memory faster than it can be saved: stop it first, or allow a longer pause"));
        }
        if (Options.CheckStream is { } check)
        {
            try
            {
                await check(cancellation).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                throw Fail(e);
            }
        }
        if (pass + 1 >= limits.MaxPasses)
        {
            return GiveUp(pass, votes, new UnitException(
                SavedStateStatus.TooManyPasses, $"not converged after {limits.MaxPasses} passes", "allow a longer pause, or stop the guest first"));
        }
        return new PassOutcome(pass, PassVerdict.AnotherPass, votes);
    }

    private PassOutcome GiveUp(uint pass, List<Vote> votes, UnitException reason)
    {
        Fail(reason);
        return new PassOutcome(pass, PassVerdict.GiveUp, votes, reason);
    }

    private async ValueTask ReportLiveAsync(uint pass, double percent, CancellationToken cancellation)
    {
        if (!Progress.Change((int)percent)) return;
        await ReportAsync(pass, percent, cancellation).ConfigureAwait(false);
    }
}
