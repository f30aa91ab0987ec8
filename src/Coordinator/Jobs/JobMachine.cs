using System.Globalization;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>
/// The rules of a checkpoint job, without clock and without I/O.
/// <code>
/// Planned ─▶ Preflight ─▶ Live(pass) ─▶ Cutting ─▶ Thawed ─▶ Draining ─▶ Committing ─▶ Committed
///                            ▲             │ void, attempts left
///                            └─────────────┘            any of them but the last ─▶ Aborting ─▶ Aborted
/// </code>
/// What always holds: a guest that was told to stop is told to thaw or to close; the commit is asked for only after a certified cut; after an abort
/// every guest is closed before the job is over; a message that does not fit the state changes nothing, so late and doubled messages are harmless.
/// </summary>
public static class JobMachine
{
    /// <summary>What follows from a message.</summary>
    public static JobDecision Decide(JobState state, JobMessage message) => message switch
    {
        StartJob when state.Phase is JobPhase.Planned => Start(state),
        CancelJob when CanAbort(state) => Abort(state, new JobError(ErrorCode.Cancelled, "cancelled")),
        WorkersLost lost when state.Phase is not JobPhase.Committing => Lost(state, lost.Error),
        CommitSucceeded when state.Phase is JobPhase.Committing => Commit(state),
        CommitFailed failed when state.Phase is JobPhase.Committing => Abort(state, failed.Error),
        WorkerReported reported when reported.Report.JobId == state.Plan.JobId && state.Find(reported.Report.Guest) is { } guest =>
            OnReport(state, guest, reported.Report),
        _ => JobDecision.None,
    };

    private static JobDecision OnReport(JobState state, GuestProgress guest, WorkerReport report) => report switch
    {
        GuestOpened opened when guest.Stage is GuestStage.Opening => OnOpened(state, opened),
        PassFinished finished when guest.Stage is GuestStage.Passing && finished.Report.Pass == state.Pass => OnPass(state, finished),
        CutHeld held when guest.Stage is GuestStage.Stopping && held.Epoch == state.Epoch => OnHeld(state, held),
        CutEnded ended when guest.MayBeStopped && ended.Cut.Epoch == state.Epoch => OnThawed(state, ended),
        GuestDrained drained when guest.Stage is GuestStage.Draining => OnDrained(state, drained),
        GuestClosed closed when guest.Stage is GuestStage.Closing => OnClosed(state, closed),
        GuestFailed failed when CanAbort(state) => Abort(state, failed.Error),
        _ => JobDecision.None,
    };

    private static JobDecision Start(JobState state) => new(
        [new PreflightStarted()],
        [.. state.Guests.Select(g => Tell(new OpenGuest(state.Plan.JobId, g.Name, g.Uri, state.Plan.Options, state.Plan.Codec)))]);

    private static JobDecision OnOpened(JobState state, GuestOpened opened)
    {
        var looked = new GuestLookedAt(opened);
        var next = JobFold.Apply(state, looked);
        if (next.Guests.Any(g => g.Stage is not GuestStage.Ready)) return new([looked], []);
        return Prepend(looked, next.Guests.Any(g => g.TakesPasses) ? RunPass(next, 0) : Cut(next));
    }

    private static JobDecision RunPass(JobState state, uint pass) => new(
        [new PassStarted(pass)],
        [.. state.Guests.Where(g => g.TakesPasses).Select(g => Tell(new RunPass(state.Plan.JobId, g.Name, pass)))]);

    private static JobDecision OnPass(JobState state, PassFinished finished)
    {
        var ended = new PassEnded(finished);
        var next = JobFold.Apply(state, ended);
        return next.Guests.Any(g => g.Stage is GuestStage.Passing) ? new([ended], []) : Prepend(ended, AfterPass(next));
    }

    private static JobDecision AfterPass(JobState state)
    {
        var votes = state.Guests.Where(g => g.TakesPasses).Select(g => g.Passes[^1]).ToList();
        if (votes.Find(v => v.Decision is VoteDecision.GiveUp) is { } quitter)
            return Abort(state, new JobError(ErrorCode.NotConverged, $"guest '{quitter.Guest}' gave up after pass {state.Pass}: {Why(quitter)}"));
        if (votes.Find(v => v.Decision is VoteDecision.AnotherPass) is not { } unsatisfied) return Cut(state);
        var options = state.Plan.Options;
        if (state.Pass + 1 < options.MaxPasses) return RunPass(state, state.Pass + 1);
        // An explicit budget is a promise; the default one is an aim.
        if (options.Downtime is { } promised)
            return Abort(state, new JobError(
                ErrorCode.NotConverged,
                $"guest '{unsatisfied.Guest}' dirties memory too fast: after {state.Pass + 1} passes the pause would be " +
                $"{Milliseconds(unsatisfied.Report.PredictedPause)}, allowed are {Milliseconds(promised)} ({Why(unsatisfied)})",
                "allow a longer --downtime or more --max-passes, or take it with --strategy background or stop"));
        return Cut(state);
    }

    private static JobDecision Cut(JobState state)
    {
        var limit = state.Plan.Options.FreezeLimit;
        foreach (var guest in state.Guests)
        {
            if (guest.Opened is not { WasRunning: true } opened) continue;
            var predicted = guest.Passes.Count > 0 ? guest.Passes[^1].Report.PredictedPause ?? opened.PauseFloor : opened.PauseFloor;
            if (predicted > limit)
                return Abort(state, new JobError(
                    ErrorCode.NotConverged,
                    $"guest '{guest.Name}' would be stopped for {Milliseconds(predicted)}, the freeze limit is {Milliseconds(limit)}",
                    "raise --freeze-limit, or choose a strategy with a shorter pause"));
        }
        return new(
            [new CutStarted(state.Epoch + 1)],
            [.. state.Guests.Select(g => Tell(new MakeCut(state.Plan.JobId, g.Name, state.Epoch + 1)))]);
    }

    private static JobDecision OnHeld(JobState state, CutHeld held)
    {
        var stopped = new GuestHeld(held);
        var next = JobFold.Apply(state, stopped);
        // A void cut holds nobody.
        if (next.VoidReason is not null) return Prepend(stopped, Release(next));
        return next.Guests.All(g => g.Stage is GuestStage.Held) ? Prepend(stopped, Release(next)) : new([stopped], []);
    }

    private static JobDecision Release(JobState state)
    {
        var held = state.Guests.Where(g => g.Stage is GuestStage.Held).ToList();
        return held.Count == 0 ? JobDecision.None : new(
            [new CutReleased([.. held.Select(g => g.Name)])],
            [.. held.Select(g => Tell(new ReleaseCut(state.Plan.JobId, g.Name, state.Epoch)))]);
    }

    private static JobDecision OnThawed(JobState state, CutEnded ended)
    {
        var events = new List<JobEvent> { new GuestThawed(ended) };
        var actions = new List<JobAction>();
        // Thawed without being told to (held or stopping), or told to and yet not held: no common interval can be proved.
        var early = !ended.Cut.HeldUntilRelease || state.Find(ended.Guest)!.Stage is not GuestStage.Releasing;
        if (early && state.VoidReason is null)
            events.Add(new CutVoided(state.Epoch, $"guest '{ended.Guest}' did not stay stopped until all were"));
        var next = JobFold.Apply(state, events);
        if (next.VoidReason is not null) Then(Release(next));
        next = JobFold.Apply(state, events);
        if (next.Guests.All(g => g.Stage is GuestStage.Thawed)) Then(AfterThaw(next));
        return new(events, actions);

        void Then(JobDecision decision)
        {
            events.AddRange(decision.Events);
            actions.AddRange(decision.Actions);
        }
    }

    private static JobDecision AfterThaw(JobState state)
    {
        if (state.VoidReason is { } reason) return AfterVoid(state, reason);
        var stops = state.Guests.Select(g => g.Cut!.StoppedAt).ToList();
        var thaws = state.Guests.Where(g => g.Cut!.ThawedAt is not null).Select(g => g.Cut!.ThawedAt!.Value).ToList();
        if (thaws.Count > 0 && stops.Max() >= thaws.Min())
        {
            const string Disjoint = "the guests were not all stopped at any one time";
            var voided = new CutVoided(state.Epoch, Disjoint);
            return Prepend(voided, AfterVoid(JobFold.Apply(state, voided), Disjoint));
        }
        return new(
            [new CutCertified(state.Epoch, stops.Max() - stops.Min()), new DrainStarted()],
            [.. state.Guests.Select(g => Tell(new DrainGuest(state.Plan.JobId, g.Name)))]);
    }

    private static JobDecision AfterVoid(JobState state, string reason)
    {
        if (state.Epoch >= state.Plan.CutAttempts)
            return Abort(state, new JobError(
                ErrorCode.Failed,
                $"the cut failed {state.Epoch} times: {reason}; the freeze limit is {Milliseconds(state.Plan.Options.FreezeLimit)}",
                "raise --freeze-limit, or look at what kept the worker from answering in time"));
        // What the guests did since the void cut is a pass again; the votes after it decide anew.
        return state.Guests.Any(g => g.TakesPasses) ? RunPass(state, state.Pass + 1) : Cut(state);
    }

    private static JobDecision OnDrained(JobState state, GuestDrained drained)
    {
        var stored = new GuestStored(drained);
        var next = JobFold.Apply(state, stored);
        return next.IsCertified && next.Guests.All(g => g.Stage is GuestStage.Drained)
            ? new([stored, new CommitStarted()], [new CommitCheckpoint()])
            : new([stored], []);
    }

    private static JobDecision Commit(JobState state) => new(
        [new CheckpointCommitted()],
        [.. state.Guests.Select(g => Tell(new CloseGuest(state.Plan.JobId, g.Name, Keep: true)))]);

    private static JobDecision Abort(JobState state, JobError error)
    {
        var started = new AbortStarted(error);
        var next = JobFold.Apply(state, started);
        var closing = next.Guests.Where(g => g.Stage is GuestStage.Closing).ToList();
        return closing.Count == 0
            ? new([started, new JobAborted()], [new DiscardCheckpoint()])
            : new([started], [.. closing.Select(g => Tell(new CloseGuest(state.Plan.JobId, g.Name, Keep: false)))]);
    }

    /// <summary>Nobody can be told anything any more; workers and guards put their guests back by themselves.</summary>
    private static JobDecision Lost(JobState state, JobError error)
    {
        var events = new List<JobEvent>();
        if (CanAbort(state)) events.Add(new AbortStarted(error));
        var next = JobFold.Apply(state, events);
        events.AddRange(next.Guests.Where(g => g.Stage is GuestStage.Closing)
            .Select(g => new GuestPutBack(new GuestClosed(state.Plan.JobId, g.Name, error))));
        if (next.Phase is not JobPhase.Aborting) return new(events, []);
        events.Add(new JobAborted());
        return new(events, [new DiscardCheckpoint()]);
    }

    private static JobDecision OnClosed(JobState state, GuestClosed closed)
    {
        var back = new GuestPutBack(closed);
        var next = JobFold.Apply(state, back);
        return next.Phase is JobPhase.Aborting && next.Guests.All(g => g.Stage is GuestStage.Closed)
            ? new([back, new JobAborted()], [new DiscardCheckpoint()])
            : new([back], []);
    }

    /// <summary>A commit under way ends by itself, one way or the other: it is one write.</summary>
    private static bool CanAbort(JobState state) =>
        state.Phase is not (JobPhase.Committing or JobPhase.Committed or JobPhase.Aborting or JobPhase.Aborted);

    private static TellWorker Tell(WorkerCommand command) => new(command);

    private static JobDecision Prepend(JobEvent happened, JobDecision decision) => decision with { Events = [happened, .. decision.Events] };

    private static string Why(PassFinished pass) =>
        pass.Report.Votes.FirstOrDefault(v => v.Decision == pass.Decision)?.Reason ?? "no reason given";

    private static string Milliseconds(TimeSpan? span) =>
        span is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known.TotalMilliseconds:0} ms") : "unknown";
}
