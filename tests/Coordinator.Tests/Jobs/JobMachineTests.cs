using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Tests.Jobs;

public sealed class JobMachineTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private JobState _state = JobState.New(PlanOf("a"));
    private IReadOnlyList<JobAction> _actions = [];

    [Fact]
    public void A_job_goes_through_preflight_passes_cut_and_drain_to_its_commit()
    {
        Receive(new StartJob());
        Assert.IsType<OpenGuest>(Told());
        Say(Opened("a"));
        Assert.Equal(new RunPass("j", "a", 0), Told());
        Say(Passed("a", 0, VoteDecision.AnotherPass));
        Assert.Equal(new RunPass("j", "a", 1), Told());
        Say(Passed("a", 1, VoteDecision.Done));
        Assert.Equal((JobPhase.Live, (WorkerCommand)new PrepareCut("j", "a", 1)), (_state.Phase, Told()));
        Say(new CutPrepared("j", "a", 1));
        Assert.Equal((JobPhase.Cutting, (WorkerCommand)new MakeCut("j", "a", 1)), (_state.Phase, Told()));
        Say(new CutHeld("j", "a", 1, Noon));
        Assert.Equal(new ReleaseCut("j", "a", 1), Told());
        Say(Ended("a", 1, 0, 5));
        Assert.Equal((JobPhase.Draining, (WorkerCommand)new DrainGuest("j", "a")), (_state.Phase, Told()));
        Say(Drained("a"));
        Assert.Equal(JobPhase.Committing, _state.Phase);
        Assert.IsType<CommitCheckpoint>(Assert.Single(_actions));
        Receive(new CommitSucceeded());
        Assert.Equal((JobPhase.Committed, (WorkerCommand)new CloseGuest("j", "a", Keep: true)), (_state.Phase, Told()));
        Assert.False(_state.IsOver);
        Say(new GuestClosed("j", "a"));
        Assert.True(_state.IsOver);
    }

    [Fact]
    public void Nobody_is_released_before_everybody_is_held()
    {
        ToCut("a", "b");
        Say(new CutHeld("j", "a", 1, Noon));
        Assert.Empty(_actions);
        Say(new CutHeld("j", "b", 1, Noon));
        Assert.Equal(["a", "b"], _actions.Cast<TellWorker>().Select(t => Assert.IsType<ReleaseCut>(t.Command).Guest));
    }

    [Fact]
    public void The_skew_of_a_group_is_measured_and_certified()
    {
        ToCut("a", "b");
        Say(new CutHeld("j", "a", 1, Noon));
        Say(new CutHeld("j", "b", 1, Noon));
        Say(Ended("a", 1, 0, 9));
        Say(Ended("b", 1, 3, 8));
        Assert.True(_state.IsCertified);
        Assert.Equal(TimeSpan.FromMilliseconds(3), _state.Skew);
    }

    [Fact]
    public void Guests_that_were_never_stopped_at_one_time_make_no_cut()
    {
        ToCut("a", "b");
        Say(new CutHeld("j", "a", 1, Noon));
        Say(new CutHeld("j", "b", 1, Noon));
        Say(Ended("a", 1, 0, 5));
        Say(Ended("b", 1, 5, 9));
        Assert.False(_state.IsCertified);
        Assert.Equal(JobPhase.Live, _state.Phase);
        Assert.All(_actions, a => Assert.IsType<RunPass>(((TellWorker)a).Command));
    }

    [Fact]
    public void A_guest_that_thawed_too_early_frees_the_others_at_once_and_the_cut_is_tried_again()
    {
        ToCut("a", "b");
        Say(new CutHeld("j", "a", 1, Noon));
        Say(Ended("a", 1, 0, 5, held: false));
        Assert.Empty(_actions);
        Say(new CutHeld("j", "b", 1, Noon));
        Assert.Equal(new ReleaseCut("j", "b", 1, IsVoid: true), Told());
        Say(Ended("b", 1, 0, 7));
        Assert.Equal([new RunPass("j", "a", 3), new RunPass("j", "b", 3)], Commands);
        Say(Passed("a", 3, VoteDecision.Done));
        Say(Passed("b", 3, VoteDecision.Done));
        Assert.Equal([new PrepareCut("j", "a", 2), new PrepareCut("j", "b", 2)], Commands);
        Say(new CutPrepared("j", "a", 2));
        Say(new CutPrepared("j", "b", 2));
        Assert.Equal([new MakeCut("j", "a", 2), new MakeCut("j", "b", 2)], Commands);
    }

    [Fact]
    public void A_cut_is_not_tried_more_often_than_the_plan_allows()
    {
        _state = JobState.New(PlanOf("a") with { CutAttempts = 2 });
        ToCut("a");
        Say(Ended("a", 1, 0, 5, held: false));
        Say(Passed("a", 1, VoteDecision.Done));
        Say(new CutPrepared("j", "a", 2));
        Say(Ended("a", 2, 0, 5, held: false));
        Assert.Equal(JobPhase.Aborting, _state.Phase);
        Assert.Contains("--freeze-limit", _state.Error!.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void After_a_void_cut_a_guest_has_all_the_passes_allowed_again()
    {
        var options = new CaptureOptions { MaxPasses = 2, Downtime = TimeSpan.FromMilliseconds(50) };
        _state = JobState.New(PlanOf("a") with { Options = options });
        Receive(new StartJob());
        Say(Opened("a"));
        Say(Passed("a", 0, VoteDecision.AnotherPass));
        Say(Passed("a", 1, VoteDecision.Done));
        Say(new CutPrepared("j", "a", 1));
        Say(Ended("a", 1, 0, 5, held: false));
        Assert.Equal(new RunPass("j", "a", 2), Told());
        // A stream that begins anew brings everything first.
        Say(Passed("a", 2, VoteDecision.AnotherPass));
        Assert.Equal(new RunPass("j", "a", 3), Told());
        Say(Passed("a", 3, VoteDecision.AnotherPass));
        Assert.Equal((JobPhase.Aborting, ErrorCode.NotConverged), (_state.Phase, _state.Error!.Code));
        Assert.Contains("after 2 passes", _state.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cut_that_would_exceed_the_freeze_limit_is_not_started()
    {
        Receive(new StartJob());
        Say(Opened("a"));
        Say(Passed("a", 0, VoteDecision.Done, pause: 6000));
        Assert.Equal((JobPhase.Aborting, ErrorCode.NotConverged), (_state.Phase, _state.Error!.Code));
        Assert.Contains("6000 ms", _state.Error.Message, StringComparison.Ordinal);
        Assert.Equal(new CloseGuest("j", "a", Keep: false), Told());
    }

    [Fact]
    public void A_guest_that_is_paused_anyway_has_no_freeze_limit()
    {
        Receive(new StartJob());
        Say(Opened("a") with { WasRunning = false, Strategy = CaptureStrategy.Stop, PauseFloor = TimeSpan.FromMinutes(1) });
        Assert.IsType<PrepareCut>(Told());
    }

    [Theory]
    [InlineData(false, JobPhase.Live)]
    [InlineData(true, JobPhase.Aborting)]
    public void When_the_passes_are_used_up_an_explicit_budget_is_a_promise_and_the_default_an_aim(bool isExplicit, JobPhase expected)
    {
        _state = JobState.New(PlanOf("a") with
        {
            Options = new CaptureOptions { MaxPasses = 2, Downtime = isExplicit ? TimeSpan.FromMilliseconds(100) : null },
        });
        Receive(new StartJob());
        Say(Opened("a"));
        Say(Passed("a", 0, VoteDecision.AnotherPass, pause: 900));
        Say(Passed("a", 1, VoteDecision.AnotherPass, pause: 800));
        Assert.Equal(expected, _state.Phase);
        Assert.IsType(isExplicit ? typeof(CloseGuest) : typeof(PrepareCut), Told());
        if (!isExplicit) return;
        Assert.Equal(ErrorCode.NotConverged, _state.Error!.Code);
        Assert.Contains("800 ms, allowed are 100 ms", _state.Error.Message, StringComparison.Ordinal);
        Assert.Contains("--downtime", _state.Error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_that_gives_up_ends_the_job_with_its_reason()
    {
        Receive(new StartJob());
        Say(Opened("a"));
        var vote = new Vote(new UnitKey("ram", 0), 0, VoteDecision.GiveUp, "the guest writes too fast");
        Say(new PassFinished("j", "a", VoteDecision.GiveUp, new PassReport { Pass = 0, Votes = [vote] }));
        Assert.Contains("the guest writes too fast", _state.Error!.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.NotConverged, _state.Error.Code);
    }

    [Fact]
    public void Guests_of_other_strategies_wait_for_the_passes_of_those_that_make_some()
    {
        _state = JobState.New(PlanOf("a", "b"));
        Receive(new StartJob());
        Say(Opened("a") with { Strategy = CaptureStrategy.Background });
        Say(Opened("b"));
        Assert.Equal(new RunPass("j", "b", 0), Told());
        Say(Passed("b", 0, VoteDecision.Done));
        Assert.Equal([new PrepareCut("j", "a", 1), new PrepareCut("j", "b", 1)], Commands);
    }

    [Fact]
    public void Cancelling_before_anything_was_asked_ends_the_job_at_once()
    {
        Receive(new CancelJob());
        Assert.True(_state.IsOver);
        Assert.Equal((JobPhase.Aborted, ErrorCode.Cancelled), (_state.Phase, _state.Error!.Code));
        Assert.IsType<DiscardCheckpoint>(Assert.Single(_actions));
    }

    [Fact]
    public void A_commit_under_way_is_not_taken_back()
    {
        ToCut("a");
        Say(new CutHeld("j", "a", 1, Noon));
        Say(Ended("a", 1, 0, 5));
        Say(Drained("a"));
        Receive(new CancelJob());
        Assert.Empty(_actions);
        Receive(new CommitFailed(new JobError(ErrorCode.NoSpace, "full")));
        Assert.Equal((JobPhase.Aborting, ErrorCode.NoSpace), (_state.Phase, _state.Error!.Code));
    }

    [Fact]
    public void When_the_line_to_the_workers_is_lost_the_job_ends_without_a_checkpoint()
    {
        ToCut("a", "b");
        Receive(new WorkersLost(new JobError(ErrorCode.Failed, "gone")));
        Assert.True(_state.IsOver);
        Assert.Equal(JobPhase.Aborted, _state.Phase);
        Assert.All(_state.Guests, g => Assert.Equal("gone", g.Trouble!.Message));
    }

    [Theory]
    [InlineData(1, 0, true, JobPhase.Interrupted, ErrorCode.Interrupted)]
    [InlineData(1, 0, false, JobPhase.Aborted, ErrorCode.Locked)]
    [InlineData(2, 0, false, JobPhase.Interrupted, ErrorCode.Interrupted)]
    [InlineData(1, 1, true, JobPhase.Committed, null)]
    public void A_job_waits_for_a_worker_it_has_lost_unless_it_may_do_without_or_never_reached_it(
        int attempt, int tolerate, bool wasReached, JobPhase expected, ErrorCode? code)
    {
        _state = JobState.New(PlanOf("a", "b") with { Tolerate = tolerate }) with { Attempt = attempt };
        Receive(new StartJob());
        Say(Opened("a"));
        Say(Opened("b"));
        Say(new GuestLost("j", "b", new JobError(ErrorCode.Locked, "worker host2 is lost"), wasReached));
        Say(new GuestClosed("j", "b"));
        if (tolerate == 0) Say(new GuestClosed("j", "a"));
        else Commit("a");

        Assert.Equal((expected, code), (_state.Phase, _state.Error?.Code));
        Assert.Contains("host2", _state.Error?.Message ?? Assert.Single(_state.Record.Missing).Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_of_other_jobs_guests_and_attempts_change_nothing()
    {
        ToCut("a");
        var before = _state;
        Say(new CutHeld("other", "a", 1, Noon));
        Say(new CutHeld("j", "stranger", 1, Noon));
        Say(new CutHeld("j", "a", 2, Noon));
        Say(Passed("a", 0, VoteDecision.AnotherPass));
        Assert.Same(before, _state);
    }

    private void ToCut(params string[] guests)
    {
        if (guests.Length != _state.Guests.Count) _state = JobState.New(PlanOf(guests));
        Receive(new StartJob());
        foreach (var guest in guests) Say(Opened(guest));
        foreach (var guest in guests) Say(Passed(guest, 0, VoteDecision.Done));
        // In a group whoever was first has aligned meanwhile, and a pass over all follows.
        if (guests.Length > 1)
            foreach (var guest in guests) Say(Passed(guest, _state.Pass, VoteDecision.Done));
        foreach (var guest in guests) Say(new CutPrepared("j", guest, 1));
        Assert.Equal(JobPhase.Cutting, _state.Phase);
    }

    private void Commit(string guest)
    {
        Say(Passed(guest, 0, VoteDecision.Done));
        Say(new CutPrepared("j", guest, 1));
        Say(new CutHeld("j", guest, 1, Noon));
        Say(Ended(guest, 1, 0, 5));
        Say(Drained(guest));
        Receive(new CommitSucceeded());
    }

    private IEnumerable<WorkerCommand> Commands => _actions.Cast<TellWorker>().Select(t => t.Command);

    private WorkerCommand Told() => Assert.IsType<TellWorker>(Assert.Single(_actions)).Command;

    private void Say(WorkerReport report) => Receive(new WorkerReported(report));

    private void Receive(JobMessage message)
    {
        var decision = JobMachine.Decide(_state, message);
        if (decision.Events.Count > 0) _state = JobFold.Apply(_state, decision.Events);
        _actions = decision.Actions;
    }

    private static JobPlan PlanOf(params string[] guests) =>
        new() { JobId = "j", Guests = [.. guests.Select(g => new GuestPlan(g, $"reference:{g}"))] };

    private static GuestOpened Opened(string guest) =>
        new("j", guest, CaptureTransport.Direct, CaptureStrategy.Precopy, "test", TimeSpan.FromMilliseconds(5), WasRunning: true);

    private static PassFinished Passed(string guest, uint pass, VoteDecision decision, double pause = 10) =>
        new("j", guest, decision, new PassReport { Pass = pass, PredictedPause = TimeSpan.FromMilliseconds(pause) });

    private static CutEnded Ended(string guest, int epoch, double stop, double thaw, bool held = true) => new("j", guest, new CutReport
    {
        Epoch = epoch,
        StoppedAt = Noon.AddMilliseconds(stop),
        ThawedAt = Noon.AddMilliseconds(thaw),
        HeldUntilRelease = held,
        WasRunning = true,
    });

    private static GuestDrained Drained(string guest) => new("j", guest, new PassReport { Pass = uint.MaxValue, IsFinal = true });
}
