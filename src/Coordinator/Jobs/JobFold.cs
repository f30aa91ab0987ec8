using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>The fold of a job's events into its state. Never fails: an event is a fact.</summary>
public static class JobFold
{
    /// <summary>The state after an event.</summary>
    public static JobState Apply(JobState state, JobEvent happened) => happened switch
    {
        JobPlanned e => JobState.New(e.Plan),
        JobResumed e => JobState.New(state.Plan) with { Attempt = e.Attempt, Epoch = state.Epoch, EpochsBefore = state.Epoch },
        PreflightStarted => (state with { Phase = JobPhase.Preflight }).WithAll(_ => true, GuestStage.Opening),
        GuestLookedAt e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Ready, Opened = e.Answer }),
        PassStarted e => (state with { Phase = JobPhase.Live, Pass = e.Pass, Rounds = state.Rounds + 1 })
            .WithAll(g => g.TakesPasses, g => g with { Stage = GuestStage.Passing, Pass = e.Pass }),
        PassEnded e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Ready, Passes = [.. g.Passes, e.Answer] }),
        AlignmentStarted e => state.With(e.Guest, g => g with { Stage = GuestStage.Aligning, Pass = e.Pass }),
        CutPlanned => state.WithAll(_ => true, GuestStage.Preparing),
        GuestPrepared e => state.With(e.Guest, g => g with { Stage = GuestStage.Prepared }),
        CutStarted e => (state with { Phase = JobPhase.Cutting, Epoch = e.Epoch, VoidReason = null, IsCertified = false })
            .WithAll(_ => true, GuestStage.Stopping),
        GuestHeld e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Held }),
        CutReleased e => state.WithAll(g => e.Guests.Contains(g.Name), GuestStage.Releasing),
        GuestThawed e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Thawed, Cut = e.Answer.Cut }),
        CutVoided e => state with { VoidReason = e.Reason, RoundsBefore = state.Rounds },
        CutCertified e => state with { Phase = JobPhase.Thawed, IsCertified = true, Skew = e.Skew },
        DrainStarted => (state with { Phase = JobPhase.Draining }).WithAll(_ => true, GuestStage.Draining),
        GuestStored e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Drained, FinalPass = e.Answer.FinalPass }),
        CommitStarted => state with { Phase = JobPhase.Committing },
        CheckpointCommitted => (state with { Phase = JobPhase.Committed }).WithAll(_ => true, GuestStage.Closing),
        GuestDropped e => state.With(
            e.Guest, g => g with { Stage = GuestStage.Closing, Missing = new MissingGuest(g.Name, g.Uri, e.Phase, e.Error) }),
        AbortStarted e => (state with { Phase = JobPhase.Aborting, Error = e.Error, IsCertified = false })
            .WithAll(g => g.Stage is not GuestStage.Closed, g => g with { Stage = g.Stage is GuestStage.Planned ? GuestStage.Closed : GuestStage.Closing }),
        GuestPutBack e => state.With(e.Answer.Guest, g => g with { Stage = GuestStage.Closed, Trouble = e.Answer.Trouble }),
        JobAborted => state with { Phase = JobPhase.Aborted },
        JobInterrupted => state with { Phase = JobPhase.Interrupted },
        _ => state,
    };

    /// <summary>The state after several events.</summary>
    public static JobState Apply(JobState state, IEnumerable<JobEvent> happened) => happened.Aggregate(state, Apply);

    /// <summary>The state after all events of a job.</summary>
    /// <exception cref="SnapshotException">They do not begin with its plan (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public static JobState Replay(IEnumerable<JobEvent> happened)
    {
        JobState? state = null;
        foreach (var one in happened)
        {
            if (state is null && one is not JobPlanned)
                throw new SnapshotException(ErrorCode.VerificationFailed, "the journal of the job does not begin with its plan", "cancel the job, and take anew");
            state = state is null ? JobState.New(((JobPlanned)one).Plan) : Apply(state, one);
        }
        return state ?? throw new SnapshotException(ErrorCode.NotFound, "the job has no journal", "look at 'cutpoint list'");
    }
}
