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
/// A group is one job: every step waits for all of its guests. First passes take as long as they take, so the guests are aligned before the votes count: who
/// is through repeats small passes or is held, then comes a pass over all. Before the cut everybody prepares, so that the stops come together.
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
        InterruptJob interrupt when CanAbort(state) => Abort(state, Interrupted(state, interrupt.Reason)),
        CheckpointFound when !state.IsOver || state.Phase is JobPhase.Interrupted => Found(state),
        AbandonJob abandon when !state.IsOver || state.Phase is JobPhase.Interrupted => End(state, abandon.Error),
        WorkersLost lost when state.Phase is not JobPhase.Committing => Lost(state, lost.Error),
        CommitSucceeded when state.Phase is JobPhase.Committing => Commit(state),
        CommitFailed failed when state.Phase is JobPhase.Committing => Abort(state, failed.Error),
        WorkerReported reported when reported.Report.JobId == state.Plan.JobId && state.Find(reported.Report.Guest) is { } guest =>
            OnReport(state, guest, reported.Report),
        _ => JobDecision.None,
    };

    private static JobDecision OnReport(JobState state, GuestProgress guest, WorkerReport report) => report switch
    {
        GuestOpened opened when guest.Stage is GuestStage.Opening => Happened(state, new GuestLookedAt(opened)),
        PassFinished finished when guest.Stage is GuestStage.Passing && finished.Report.Pass == guest.Pass => OnPass(state, finished),
        PassFinished finished when guest.Stage is GuestStage.Aligning && finished.Report.Pass == guest.Pass => Align(state, guest),
        CutPrepared prepared when guest.Stage is GuestStage.Preparing && prepared.Epoch == state.Epoch + 1 =>
            Happened(state, new GuestPrepared(guest.Name)),
        CutHeld held when guest.Stage is GuestStage.Stopping && held.Epoch == state.Epoch => Happened(state, new GuestHeld(held)),
        CutEnded ended when guest.MayBeStopped && ended.Cut.Epoch == state.Epoch => OnThawed(state, guest, ended),
        GuestDrained drained when guest.Stage is GuestStage.Draining => Happened(state, new GuestStored(drained)),
        GuestClosed closed when guest.Stage is GuestStage.Closing => OnClosed(state, closed),
        GuestFailed { Error: { Code: ErrorCode.Locked } busy } when state is { Attempt: > 1, Phase: JobPhase.Preflight } =>
            Abort(state, Interrupted(state, busy.Message)),
        GuestFailed failed when CanAbort(state) && guest.Stage is not (GuestStage.Closing or GuestStage.Closed) =>
            Fail(state, guest, Named(state, guest, failed.Error)),
        GuestLost lost when CanAbort(state) && guest.Stage is not (GuestStage.Closing or GuestStage.Closed) => OnLost(state, guest, lost),
        _ => JobDecision.None,
    };

    /// <summary>Something has happened to a guest; goes on when that was what the others waited for.</summary>
    private static JobDecision Happened(JobState state, params JobEvent[] events)
    {
        var next = Proceed(JobFold.Apply(state, events));
        return next with { Events = [.. events, .. next.Events] };
    }

    /// <summary>What follows when nobody is left to wait for.</summary>
    private static JobDecision Proceed(JobState state) => state.Phase switch
    {
        _ when state.AllIn(GuestStage.Prepared) => Cut(state),
        JobPhase.Preflight when state.AllIn(GuestStage.Ready) => state.Present.Any(g => g.TakesPasses) ? RunPass(state) : Prepare(state),
        JobPhase.Live when state.In(GuestStage.Passing) + state.In(GuestStage.Preparing) + state.In(GuestStage.Prepared) == 0 => AfterRound(state),
        // A void cut holds nobody.
        JobPhase.Cutting when state.AllIn(GuestStage.Held) || (state.VoidReason is not null && state.In(GuestStage.Held) > 0) => Release(state),
        JobPhase.Cutting when state.AllIn(GuestStage.Thawed) => AfterThaw(state),
        JobPhase.Draining when state.AllIn(GuestStage.Drained) && state.IsCertified => new([new CommitStarted()], [new CommitCheckpoint()]),
        _ => JobDecision.None,
    };

    private static JobDecision Start(JobState state)
    {
        var options = state.Plan.Options with { GroupSize = state.Guests.Count };
        return new(
            [new PreflightStarted()],
            [.. state.Guests.Select(g => Tell(new OpenGuest(state.Plan.JobId, g.Name, g.Uri, options, state.Plan.Codec)))]);
    }

    /// <summary>A pass over every guest that takes passes.</summary>
    private static JobDecision RunPass(JobState state)
    {
        var taking = state.Present.Where(g => g.TakesPasses).ToList();
        // Who has aligned is further than the others; numbers only ever go up.
        var pass = state.Rounds == 0 ? 0 : taking.Max(g => g.Pass) + 1;
        return new([new PassStarted(pass)], [.. taking.Select(g => Tell(new RunPass(state.Plan.JobId, g.Name, pass)))]);
    }

    private static JobDecision OnPass(JobState state, PassFinished finished)
    {
        var ended = new PassEnded(finished);
        var next = JobFold.Apply(state, ended);
        return Prepend(ended, next.In(GuestStage.Passing) > 0 ? Align(next, next.Find(finished.Guest)!) : Proceed(next));
    }

    /// <summary>
    /// A guest that is through with its first pass before the others repeats small ones, so that it has no more to do than they when they are. A stream is
    /// held by not reading it: its guest just waits.
    /// </summary>
    private static JobDecision Align(JobState state, GuestProgress guest) => state.Rounds == 1 && guest.CanAlign
        ? new([new AlignmentStarted(guest.Name, guest.Pass + 1)], [Tell(new RunPass(state.Plan.JobId, guest.Name, guest.Pass + 1, IsAligning: true))])
        : JobDecision.None;

    private static JobDecision AfterRound(JobState state)
    {
        var options = state.Plan.Options;
        var votes = state.Present.Where(g => g.TakesPasses).Select(g => (Guest: g, Vote: g.Passes[^1])).ToList();
        if (votes.FirstOrDefault(v => v.Vote.Decision is VoteDecision.GiveUp) is { Guest: { } quitter, Vote: var why })
            return Fail(state, quitter, new JobError(ErrorCode.NotConverged, $"guest '{quitter.Name}' gave up after pass {state.Pass}: {Why(why)}"));
        // What the first to finish have voted is old by the time the last one has.
        if (state.Rounds == 1 && votes.Count > 1 && options.MaxPasses > 1) return RunPass(state);
        if (votes.FirstOrDefault(v => v.Vote.Decision is VoteDecision.AnotherPass) is not { Guest: { } unsatisfied, Vote: var vote }) return Prepare(state);
        var rounds = state.Rounds - state.RoundsBefore;
        if (rounds < options.MaxPasses) return RunPass(state);
        // An explicit budget is a promise; the default one is an aim.
        return options.Downtime is not { } promised ? Prepare(state) : Fail(state, unsatisfied, new JobError(
            ErrorCode.NotConverged,
            $"guest '{unsatisfied.Name}' dirties memory too fast: after {rounds} passes the pause would be " +
            $"{Milliseconds(vote.Report.PredictedPause)}, allowed are {Milliseconds(promised)} ({Why(vote)})",
            "allow a longer --downtime or more --max-passes, or take it with --strategy background or stop"));
    }

    private static JobDecision Prepare(JobState state)
    {
        var limit = state.Plan.Options.FreezeLimit;
        foreach (var guest in state.Present)
        {
            if (guest.Opened is not { WasRunning: true } opened) continue;
            var predicted = guest.Passes.Count > 0 ? guest.Passes[^1].Report.PredictedPause ?? opened.PauseFloor : opened.PauseFloor;
            if (predicted <= limit) continue;
            return Fail(state, guest, new JobError(
                ErrorCode.NotConverged,
                $"guest '{guest.Name}' would be stopped for {Milliseconds(predicted)}, the freeze limit is {Milliseconds(limit)}",
                "raise --freeze-limit, or choose a strategy with a shorter pause"));
        }
        return new(
            [new CutPlanned(state.Epoch + 1)],
            [.. state.Present.Select(g => Tell(new PrepareCut(state.Plan.JobId, g.Name, state.Epoch + 1)))]);
    }

    private static JobDecision Cut(JobState state) => new(
        [new CutStarted(state.Epoch + 1)],
        [.. state.Present.Select(g => Tell(new MakeCut(state.Plan.JobId, g.Name, state.Epoch + 1)))]);

    private static JobDecision Release(JobState state)
    {
        var held = state.Present.Where(g => g.Stage is GuestStage.Held).ToList();
        return new(
            [new CutReleased([.. held.Select(g => g.Name)])],
            [.. held.Select(g => Tell(new ReleaseCut(state.Plan.JobId, g.Name, state.Epoch, IsVoid: state.VoidReason is not null)))]);
    }

    private static JobDecision OnThawed(JobState state, GuestProgress guest, CutEnded ended)
    {
        var thawed = new GuestThawed(ended);
        // Thawed without being told to (held or stopping), or told to and yet not held: no common interval can be proved.
        var isEarly = !ended.Cut.HeldUntilRelease || guest.Stage is not GuestStage.Releasing;
        return isEarly && state.VoidReason is null
            ? Happened(state, thawed, new CutVoided(state.Epoch, $"guest '{ended.Guest}' did not stay stopped until all were"))
            : Happened(state, thawed);
    }

    private static JobDecision AfterThaw(JobState state)
    {
        if (state.VoidReason is { } reason) return AfterVoid(state, reason);
        var stops = state.Present.Select(g => g.Cut!.StoppedAt).ToList();
        var thaws = state.Present.Where(g => g.Cut!.ThawedAt is not null).Select(g => g.Cut!.ThawedAt!.Value).ToList();
        if (thaws.Count > 0 && stops.Max() >= thaws.Min())
        {
            const string Disjoint = "the guests were not all stopped at any one time";
            var voided = new CutVoided(state.Epoch, Disjoint);
            return Prepend(voided, AfterVoid(JobFold.Apply(state, voided), Disjoint));
        }
        return new(
            [new CutCertified(state.Epoch, stops.Max() - stops.Min()), new DrainStarted()],
            [.. state.Present.Select(g => Tell(new DrainGuest(state.Plan.JobId, g.Name)))]);
    }

    private static JobDecision AfterVoid(JobState state, string reason)
    {
        if (state.Epoch - state.EpochsBefore >= state.Plan.CutAttempts)
            return Abort(state, new JobError(
                ErrorCode.Failed,
                $"the cut failed {state.Epoch - state.EpochsBefore} times: {reason}; the freeze limit is {Milliseconds(state.Plan.Options.FreezeLimit)}",
                "raise --freeze-limit, or look at what kept the worker from answering in time"));
        // What the guests did since the void cut is a pass again, or all of one that begins with another stream; the votes after it decide anew.
        return state.Present.Any(g => g.TakesPasses) ? RunPass(state) : Prepare(state);
    }

    private static JobDecision Commit(JobState state) => new(
        [new CheckpointCommitted()],
        [.. state.Present.Select(g => Tell(new CloseGuest(state.Plan.JobId, g.Name, Keep: true)))]);

    /// <summary>
    /// A guest has failed: the job goes on without it when it may, or ends. What is left out never makes a cut true: the guests that are taken were all
    /// stopped over one common interval, or there is no checkpoint.
    /// </summary>
    private static JobDecision Fail(JobState state, GuestProgress guest, JobError error)
    {
        if (state.MissingCount >= state.Plan.Tolerate) return Abort(state, error);
        var dropped = new GuestDropped(guest.Name, state.Phase, error);
        var next = Proceed(JobFold.Apply(state, dropped));
        return new([dropped, .. next.Events], [Tell(new CloseGuest(state.Plan.JobId, guest.Name, Keep: false)), .. next.Actions]);
    }

    /// <summary>
    /// A worker that was lost may come back, and what it had sent is stored: unless the job may do without its guests, it is left to be gone on with. One that the
    /// first process of a job never reached may not be there at all.
    /// </summary>
    private static JobDecision OnLost(JobState state, GuestProgress guest, GuestLost lost) =>
        state.MissingCount >= state.Plan.Tolerate && (lost.WasReached || state.Attempt > 1)
            ? Abort(state, Interrupted(state, lost.Error.Message))
            : Fail(state, guest, Named(state, guest, lost.Error));

    private static JobDecision Abort(JobState state, JobError error)
    {
        var started = new AbortStarted(error);
        var next = JobFold.Apply(state, started);
        var closing = next.Guests.Where(g => g.Stage is GuestStage.Closing).ToList();
        return closing.Count == 0
            ? Prepend(started, Closed(next))
            : new([started], [.. closing.Select(g => Tell(new CloseGuest(state.Plan.JobId, g.Name, Keep: false)))]);
    }

    /// <summary>Nobody can be told anything any more; workers and guards put their guests back by themselves.</summary>
    private static JobDecision Lost(JobState state, JobError error)
    {
        var events = new List<JobEvent>();
        if (CanAbort(state)) events.Add(new AbortStarted(error));
        var next = JobFold.Apply(state, events);
        events.AddRange(PutBack(next, error));
        return next.Phase is JobPhase.Aborting ? Prepend(events, Closed(next)) : new(events, []);
    }

    /// <summary>Of a job without a process: there will be no checkpoint.</summary>
    private static JobDecision End(JobState state, JobError error)
    {
        var started = new AbortStarted(error);
        return Prepend([started, .. PutBack(JobFold.Apply(state, started), null)], new([new JobAborted()], [new DiscardCheckpoint()]));
    }

    /// <summary>Of a job without a process: there is a checkpoint.</summary>
    private static JobDecision Found(JobState state)
    {
        var committed = new CheckpointCommitted();
        return new([committed, .. PutBack(JobFold.Apply(state, committed), null)], []);
    }

    private static IEnumerable<JobEvent> PutBack(JobState state, JobError? trouble) => state.Guests.Where(g => g.Stage is GuestStage.Closing)
        .Select(g => new GuestPutBack(new GuestClosed(state.Plan.JobId, g.Name, trouble)));

    /// <summary>All guests are put back, and there is no checkpoint: what is stored goes, unless the job may go on.</summary>
    private static JobDecision Closed(JobState state) => state.Error is { Code: ErrorCode.Interrupted }
        ? new([new JobInterrupted()], []) : new([new JobAborted()], [new DiscardCheckpoint()]);

    private static JobDecision OnClosed(JobState state, GuestClosed closed)
    {
        var back = new GuestPutBack(closed);
        var next = JobFold.Apply(state, back);
        return next.Phase is JobPhase.Aborting && next.IsClosed
            ? Prepend(back, Closed(next))
            : new([back], []);
    }

    /// <summary>A commit under way ends by itself, one way or the other: it is one write.</summary>
    private static bool CanAbort(JobState state) =>
        state.Phase is not (JobPhase.Committing or JobPhase.Committed or JobPhase.Aborting or JobPhase.Aborted or JobPhase.Interrupted);

    private static TellWorker Tell(WorkerCommand command) => new(command);

    private static JobDecision Prepend(JobEvent happened, JobDecision decision) => decision with { Events = [happened, .. decision.Events] };

    /// <summary>Of several guests an error says which one it is of.</summary>
    private static JobError Named(JobState state, GuestProgress guest, JobError error) =>
        state.Guests.Count == 1 || error.Message.Contains(guest.Name, StringComparison.Ordinal)
            ? error
            : error with { Message = $"guest '{guest.Name}': {error.Message}" };

    private static JobDecision Prepend(IEnumerable<JobEvent> happened, JobDecision decision) =>
        decision with { Events = [.. happened, .. decision.Events] };

    private static JobError Interrupted(JobState state, string reason) => new(
        ErrorCode.Interrupted, $"job {state.Plan.JobId} was interrupted: {reason}",
        $"'cutpoint resume {state.Plan.JobId}' goes on from what is stored, 'cutpoint cancel {state.Plan.JobId}' removes it");

    private static string Why(PassFinished pass) =>
        pass.Report.Votes.FirstOrDefault(v => v.Decision == pass.Decision)?.Reason ?? "no reason given";

    private static string Milliseconds(TimeSpan? span) =>
        span is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known.TotalMilliseconds:0} ms") : "unknown";
}
