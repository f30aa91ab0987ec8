using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Tests.Jobs;

/// <summary>What is different when several guests are taken at one cut.</summary>
public sealed class GroupJobTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly Queue<WorkerCommand> _commands = new();
    private JobState _state = JobState.New(PlanOf(0, "a", "b", "c"));

    /// <summary>Where a guest may be when it fails.</summary>
    public static TheoryData<string> Stages => new("opening", "passing", "preparing", "stopping", "held", "releasing", "thawed", "draining");

    [Fact]
    public void Every_guest_is_told_how_many_share_its_processors_and_its_budget()
    {
        Receive(new StartJob());
        Assert.All(_commands, c => Assert.Equal(3, Assert.IsType<OpenGuest>(c).Options.GroupSize));
    }

    [Fact]
    public void Who_has_finished_its_first_pass_repeats_small_ones_until_all_have_and_then_all_make_one_together()
    {
        Open(("a", CaptureTransport.Direct), ("b", CaptureTransport.Direct), ("c", CaptureTransport.Direct));
        Passed("a", 0);
        Assert.Equal([new RunPass("j", "a", 1, IsAligning: true)], Taken());
        Passed("a", 1);
        Assert.Equal([new RunPass("j", "a", 2, IsAligning: true)], Taken());
        Passed("b", 0);
        Assert.Equal([new RunPass("j", "b", 1, IsAligning: true)], Taken());
        Passed("c", 0);
        Assert.Equal([new RunPass("j", "a", 3), new RunPass("j", "b", 3), new RunPass("j", "c", 3)], Taken());
        // The aligning passes that were under way are answered yet; nobody waits for them.
        Passed("a", 2);
        Passed("b", 1);
        Assert.Empty(Taken());
        foreach (var guest in (string[])["a", "b", "c"]) Passed(guest, 3);
        Assert.Equal(3, Taken().OfType<PrepareCut>().Count());
    }

    [Fact]
    public void A_guest_read_by_its_stream_is_held_meanwhile()
    {
        Open(("a", CaptureTransport.Stream), ("b", CaptureTransport.Direct), ("c", CaptureTransport.Direct));
        Passed("a", 0);
        Assert.Empty(Taken());
        Passed("b", 0);
        Assert.Single(Taken());
        Passed("c", 0);
        Assert.Equal(3, Taken().OfType<RunPass>().Count(p => !p.IsAligning));
    }

    [Fact]
    public void Aligning_uses_up_none_of_the_passes_allowed()
    {
        _state = JobState.New(PlanOf(0, "a", "b") with { Options = new CaptureOptions { MaxPasses = 3 } });
        Open(("a", CaptureTransport.Direct), ("b", CaptureTransport.Direct));
        for (uint pass = 0; pass < 50; pass++) Passed("a", pass);
        Taken();
        Passed("b", 0);
        Passed("a", 51, VoteDecision.AnotherPass);
        Passed("b", 51);
        Assert.Equal(4, Taken().Count);
        Assert.Equal(JobPhase.Live, _state.Phase);
        Passed("a", 52, VoteDecision.AnotherPass);
        Passed("b", 52);
        Assert.Equal(2, Taken().OfType<PrepareCut>().Count());
    }

    [Fact]
    public void Nobody_is_stopped_before_everybody_is_ready_for_it()
    {
        Open(("a", CaptureTransport.Direct), ("b", CaptureTransport.Direct), ("c", CaptureTransport.Direct));
        Rounds();
        Say(new CutPrepared("j", "a", 1));
        Say(new CutPrepared("j", "b", 1));
        Assert.Empty(Taken());
        Say(new CutPrepared("j", "c", 1));
        Assert.Equal([new MakeCut("j", "a", 1), new MakeCut("j", "b", 1), new MakeCut("j", "c", 1)], Taken());
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void A_guest_that_fails_anywhere_ends_the_job_and_every_guest_is_put_back(string when)
    {
        Until(when);
        Fail("c");
        Assert.Equal(JobPhase.Aborting, _state.Phase);
        Assert.Equal("guest 'c': it died", _state.Error!.Message);
        Assert.Equal(["a", "b", "c"], Taken().OfType<CloseGuest>().Where(c => !c.Keep).Select(c => c.Guest));
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void A_failure_that_is_tolerated_anywhere_leaves_a_true_cut_of_the_others(string when)
    {
        _state = JobState.New(PlanOf(1, "a", "b", "c"));
        Until(when);
        Fail("c");
        Answer("a", "b");
        Receive(new CommitSucceeded());
        Answer("a", "b", "c");
        Assert.Equal(JobPhase.Committed, _state.Phase);
        Assert.True(_state.IsOver);
        Assert.True(_state.IsCertified);
        var missing = Assert.Single(_state.Record.Missing);
        Assert.Equal(("c", "reference:c", "guest 'c': it died"), (missing.Name, missing.Uri, missing.Error.Message));
    }

    [Fact]
    public void One_failure_more_than_is_tolerated_ends_the_job()
    {
        _state = JobState.New(PlanOf(1, "a", "b", "c"));
        Until("held");
        Fail("c");
        Assert.Equal(JobPhase.Cutting, _state.Phase);
        Fail("b");
        Assert.Equal(JobPhase.Aborting, _state.Phase);
    }

    [Fact]
    public void A_cut_that_is_not_true_is_never_tolerated()
    {
        _state = JobState.New(PlanOf(2, "a", "b", "c") with { CutAttempts = 1 });
        Until("held");
        Say(Ended("c", 0, 5) with { Cut = Ended("c", 0, 5).Cut with { HeldUntilRelease = false } });
        Answer("a", "b", "c");
        Assert.Equal(JobPhase.Aborted, _state.Phase);
        Assert.Empty(_state.Record.Missing);
        Assert.Contains("did not stay stopped", _state.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_that_does_not_converge_may_be_left_out()
    {
        _state = JobState.New(PlanOf(1, "a", "b", "c"));
        Open(("a", CaptureTransport.Direct), ("b", CaptureTransport.Direct), ("c", CaptureTransport.Direct));
        foreach (var guest in (string[])["a", "b"]) Passed(guest, 0);
        Passed("c", 0, VoteDecision.GiveUp);
        Answer("a", "b", "c");
        Assert.Equal(JobPhase.Committing, _state.Phase);
        Assert.Equal(ErrorCode.NotConverged, Assert.Single(_state.Record.Missing).Error.Code);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void A_plan_that_tolerates_the_loss_of_every_guest_is_refused(int tolerate) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(PlanOf(tolerate, "a", "b", "c").Check).Code);

    /// <summary>Counted in octets allocated, which no busy machine disturbs: copying all guests for every message would be a hundred times as much.</summary>
    [Fact]
    public void A_thousand_guests_cost_about_ten_times_as_much_as_a_hundred()
    {
        Work(100);
        Assert.InRange((double)Work(1000) / Work(100), 9, 14);

        long Work(int guests)
        {
            _state = JobState.New(PlanOf(0, [.. Enumerable.Range(0, guests).Select(i => $"g{i}")]));
            var before = GC.GetAllocatedBytesForCurrentThread();
            Receive(new StartJob());
            while (_commands.TryDequeue(out var command)) Say(AnswerTo(command));
            Assert.Equal(JobPhase.Committing, _state.Phase);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    /// <summary>Brings the job to where guest c is at that stage, and a and b have answered what they were asked with it.</summary>
    private void Until(string stage)
    {
        var stop = Enum.Parse<GuestStage>(stage, ignoreCase: true);
        Receive(new StartJob());
        for (var left = 100; _state.Find("c")!.Stage != stop; left--)
        {
            Assert.True(left > 0, $"stage {stage} is not reached");
            // 'Held' and 'thawed' are stages of waiting for the others, so c answers first there, and last everywhere else.
            var isFirst = stop is GuestStage.Held or GuestStage.Thawed;
            var next = _commands.Where(c => c is not RunPass { IsAligning: true }).OrderBy(c => c.Guest == "c" != isFirst).First();
            var rest = _commands.Where(c => !ReferenceEquals(c, next)).ToList();
            _commands.Clear();
            rest.ForEach(_commands.Enqueue);
            Say(AnswerTo(next));
        }
    }

    private void Answer(params string[] guests)
    {
        for (var left = 200; left > 0 && _commands.FirstOrDefault(c => guests.Contains(c.Guest)) is { } next; left--)
        {
            var rest = _commands.Where(c => !ReferenceEquals(c, next)).ToList();
            _commands.Clear();
            rest.ForEach(_commands.Enqueue);
            Say(AnswerTo(next));
        }
    }

    private static WorkerReport AnswerTo(WorkerCommand command) => command switch
    {
        OpenGuest => Opened(command.Guest, CaptureTransport.Direct),
        RunPass pass => new PassFinished("j", command.Guest, VoteDecision.Done, new PassReport { Pass = pass.Pass }),
        PrepareCut cut => new CutPrepared("j", command.Guest, cut.Epoch),
        MakeCut cut => new CutHeld("j", command.Guest, cut.Epoch, Noon),
        ReleaseCut => Ended(command.Guest, 0, 10),
        DrainGuest => new GuestDrained("j", command.Guest, new PassReport { Pass = uint.MaxValue, IsFinal = true }),
        _ => new GuestClosed("j", command.Guest),
    };

    private void Open(params (string Guest, CaptureTransport Transport)[] guests)
    {
        Receive(new StartJob());
        foreach (var (guest, transport) in guests) Say(Opened(guest, transport));
        Taken();
    }

    private void Rounds()
    {
        foreach (var guest in (string[])["a", "b", "c"]) Passed(guest, 0);
        foreach (var guest in (string[])["a", "b", "c"]) Passed(guest, _state.Pass);
        Taken();
    }

    private List<WorkerCommand> Taken()
    {
        var taken = _commands.ToList();
        _commands.Clear();
        return taken;
    }

    private void Fail(string guest)
    {
        if (_commands.All(c => c.Guest == guest)) _commands.Clear();
        Say(new GuestFailed("j", guest, new JobError(ErrorCode.Failed, "it died")));
    }

    private void Passed(string guest, uint pass, VoteDecision decision = VoteDecision.Done) =>
        Say(new PassFinished("j", guest, decision, new PassReport { Pass = pass }));

    private void Say(WorkerReport report) => Receive(new WorkerReported(report));

    private void Receive(JobMessage message)
    {
        var decision = JobMachine.Decide(_state, message);
        _state = JobFold.Apply(_state, decision.Events);
        foreach (var tell in decision.Actions.OfType<TellWorker>()) _commands.Enqueue(tell.Command);
    }

    private static JobPlan PlanOf(int tolerate, params string[] guests) =>
        new() { JobId = "j", Tolerate = tolerate, Guests = [.. guests.Select(g => new GuestPlan(g, $"reference:{g}"))] };

    private static GuestOpened Opened(string guest, CaptureTransport transport) =>
        new("j", guest, transport, CaptureStrategy.Precopy, "test", TimeSpan.FromMilliseconds(5), WasRunning: true);

    private static CutEnded Ended(string guest, double stop, double thaw) => new("j", guest, new CutReport
    {
        Epoch = 1,
        StoppedAt = Noon.AddMilliseconds(stop),
        ThawedAt = Noon.AddMilliseconds(thaw),
        HeldUntilRelease = true,
        WasRunning = true,
    });
}
