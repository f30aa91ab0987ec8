using System.Threading.Channels;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Tests.Jobs;

public sealed class JobHostTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly GoodWorker _worker = new();
    private readonly Catalog _catalog = new();

    [Fact]
    public async Task A_job_of_willing_workers_ends_with_one_commit()
    {
        var job = await RunAsync(default);
        Assert.Equal(JobPhase.Committed, job.Phase);
        Assert.Null(job.Error);
        Assert.Equal((1, 0), (_catalog.Commits, _catalog.Discards));
        Assert.Equal([typeof(OpenGuest), typeof(RunPass), typeof(PrepareCut), typeof(MakeCut), typeof(ReleaseCut), typeof(DrainGuest), typeof(CloseGuest)], _worker.Commands);
    }

    [Theory]
    [InlineData(typeof(OpenGuest))]
    [InlineData(typeof(RunPass))]
    [InlineData(typeof(PrepareCut))]
    [InlineData(typeof(MakeCut))]
    [InlineData(typeof(ReleaseCut))]
    [InlineData(typeof(DrainGuest))]
    public async Task Cancelling_closes_the_guest_and_commits_nothing(Type command)
    {
        using var cancel = new CancellationTokenSource();
        _worker.Before = c =>
        {
            if (c.GetType() == command) cancel.Cancel();
        };
        var job = await RunAsync(cancel.Token);
        Assert.Equal((JobPhase.Aborted, ErrorCode.Cancelled), (job.Phase, job.Error!.Code));
        Assert.Equal((0, 1), (_catalog.Commits, _catalog.Discards));
        Assert.Equal(typeof(CloseGuest), _worker.Commands[^1]);
    }

    [Fact]
    public async Task Events_are_written_before_their_actions_but_while_a_guest_may_stand_still_actions_come_first()
    {
        var order = new List<string>();
        var journal = new MemoryJournal { Before = events => order.Add(string.Join('+', events.Select(one => one.GetType().Name))) };
        _worker.Before = command => order.Add($"> {command.GetType().Name}");

        await new JobHost(_worker, _catalog, journal, null).RunAsync(Plan, default).WaitAsync(Patience);

        Assert.Equal(
            [
                "JobPlanned", "PreflightStarted", "> OpenGuest", "GuestLookedAt+PassStarted", "> RunPass", "PassEnded+CutPlanned", "> PrepareCut",
                "GuestPrepared+CutStarted", "> MakeCut", "> ReleaseCut", "> DrainGuest", "GuestHeld+CutReleased+GuestThawed+CutCertified+DrainStarted", "GuestStored+CommitStarted",
                "CheckpointCommitted", "> CloseGuest", "GuestPutBack",
            ],
            order);
        Assert.Equal(JobPhase.Committed, JobFold.Replay(journal.Events).Phase);
    }

    [Theory]
    [InlineData(typeof(OpenGuest))]
    [InlineData(typeof(RunPass))]
    [InlineData(typeof(MakeCut))]
    [InlineData(typeof(DrainGuest))]
    public async Task A_process_that_is_to_end_puts_its_guest_back_and_leaves_what_is_stored_to_the_next(Type command)
    {
        using var ending = new CancellationTokenSource();
        var journal = new MemoryJournal();
        _worker.Before = c =>
        {
            if (c.GetType() == command) ending.Cancel();
        };
        var job = await new JobHost(_worker, _catalog, journal, null).RunAsync(Plan, ending.Token, ending.Token).WaitAsync(Patience);
        Assert.Equal((JobPhase.Interrupted, ErrorCode.Interrupted), (job.Phase, job.Error!.Code));
        Assert.Equal((0, 0), (_catalog.Commits, _catalog.Discards));
        Assert.Equal(typeof(CloseGuest), _worker.Commands[^1]);

        // Another process has workers of its own.
        var next = await new JobHost(new GoodWorker(), _catalog, journal, null).ResumeAsync(JobFold.Replay(journal.Events), default).WaitAsync(Patience);

        Assert.Equal((JobPhase.Committed, 2), (next.Phase, next.Attempt));
        Assert.Equal(next.Phase, JobFold.Replay(journal.Events).Phase);
        Assert.True(next.Epoch > job.Epoch);
    }

    [Fact]
    public async Task A_job_is_cancelled_by_a_message_from_outside()
    {
        var journal = new MemoryJournal();
        _worker.Before = c =>
        {
            if (c is RunPass) journal.Ask(new CancelJob());
        };
        _worker.IsSilent = c => c is RunPass;
        var job = await new JobHost(_worker, _catalog, journal, null).RunAsync(Plan, default).WaitAsync(Patience);
        Assert.Equal((JobPhase.Aborted, ErrorCode.Cancelled), (job.Phase, job.Error!.Code));
        Assert.Equal(1, _catalog.Discards);
    }

    [Fact]
    public async Task A_guest_that_is_in_use_leaves_a_resumed_job_open_and_fails_a_new_one()
    {
        var inUse = new JobError(ErrorCode.Locked, "in use");
        var begun = await Host(inUse).RunAsync(Plan, default).WaitAsync(Patience);
        Assert.Equal((JobPhase.Aborted, inUse), (begun.Phase, begun.Error));
        var resumed = await Host(inUse).ResumeAsync(JobState.New(Plan), default).WaitAsync(Patience);
        Assert.Equal((JobPhase.Interrupted, ErrorCode.Interrupted), (resumed.Phase, resumed.Error!.Code));
        var gone = await Host(new JobError(ErrorCode.Failed, "gone")).ResumeAsync(resumed, default).WaitAsync(Patience);
        Assert.Equal((JobPhase.Aborted, "gone"), (gone.Phase, gone.Error!.Message));

        JobHost Host(JobError refusal) => new(new GoodWorker { Refusal = refusal }, _catalog, new MemoryJournal(), null);
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_ends_the_process_and_commits_nothing()
    {
        var journal = new MemoryJournal
        {
            Before = events =>
            {
                if (events.Any(one => one is GuestStored)) throw new SnapshotException(ErrorCode.Locked, "another process has taken over");
            },
        };
        await Assert.ThrowsAsync<SnapshotException>(() => new JobHost(_worker, _catalog, journal, null).RunAsync(Plan, default).WaitAsync(Patience));
        Assert.Equal((0, 0), (_catalog.Commits, _catalog.Discards));
    }

    [Fact]
    public async Task The_end_of_a_job_without_a_process_is_written_by_another()
    {
        foreach (var (end, phase) in new (JobMessage, JobPhase)[]
        {
            (new CheckpointFound(), JobPhase.Committed), (new AbandonJob(new JobError(ErrorCode.Cancelled, "cancelled")), JobPhase.Aborted),
        })
        {
            var journal = new MemoryJournal();
            await journal.AppendAsync([new JobPlanned(Plan), new PreflightStarted()], default);
            var ended = await JobHost.ConcludeAsync(JobFold.Replay(journal.Events), journal, end);
            Assert.Equal((phase, true), (ended.Phase, ended.IsOver));
            // Said twice it stays said.
            var count = journal.Events.Count;
            await JobHost.ConcludeAsync(JobFold.Replay(journal.Events), journal, end);
            Assert.Equal(count, journal.Events.Count);
        }
    }

    [Fact]
    public async Task A_commit_that_fails_leaves_no_checkpoint_and_tells_why()
    {
        _catalog.Fault = new SnapshotException(ErrorCode.NoSpace, "full");
        var job = await RunAsync(default);
        Assert.Equal((JobPhase.Aborted, ErrorCode.NoSpace), (job.Phase, job.Error!.Code));
        Assert.Equal(1, _catalog.Discards);
    }

    [Fact]
    public async Task A_line_that_breaks_ends_the_job()
    {
        _worker.Before = c =>
        {
            if (c is MakeCut) _worker.Break();
        };
        var job = await RunAsync(default);
        Assert.Equal(JobPhase.Aborted, job.Phase);
        Assert.Equal(0, _catalog.Commits);
    }

    [Fact]
    public async Task A_plan_nobody_can_carry_out_is_refused_before_anybody_is_asked()
    {
        foreach (var plan in new[]
        {
            Plan with { Guests = [] },
            Plan with { Guests = [new("a", "reference:a"), new("a", "reference:b")] },
            Plan with { Guests = [new("a", "nonsense")] },
            Plan with { Options = new CaptureOptions { Downtime = TimeSpan.FromSeconds(6) } },
            Plan with { Version = 2 },
        })
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(() => new JobHost(_worker, _catalog, new MemoryJournal(), null).RunAsync(plan, default));
            Assert.Equal(ErrorCode.Usage, error.Code);
            Assert.True(error.IsPreflight);
            Assert.NotNull(error.Advice);
        }
        Assert.Empty(_worker.Commands);
    }

    private static JobPlan Plan => new() { JobId = "j", Guests = [new GuestPlan("a", "reference:a")] };

    private Task<JobState> RunAsync(CancellationToken cancellation) => new JobHost(_worker, _catalog, new MemoryJournal(), null).RunAsync(Plan, cancellation).WaitAsync(Patience, CancellationToken.None);

    private sealed class Catalog : IJobCommit
    {
        public Exception? Fault { get; set; }

        public int Commits { get; private set; }

        public int Discards { get; private set; }

        public Task CommitAsync(JobState job, CancellationToken cancellation)
        {
            Commits++;
            return Fault is null ? Task.CompletedTask : Task.FromException(Fault);
        }

        public Task DiscardAsync(JobState job)
        {
            Discards++;
            return Task.CompletedTask;
        }
    }

    /// <summary>Answers everything at once.</summary>
    private sealed class GoodWorker : IWorkerPort
    {
        private readonly Channel<WorkerReport> _reports = Channel.CreateUnbounded<WorkerReport>();

        public List<Type> Commands { get; } = [];

        public Action<WorkerCommand> Before { get; set; } = _ => { };

        public Func<WorkerCommand, bool> IsSilent { get; set; } = _ => false;

        public JobError? Refusal { get; set; }

        public void Break() => _reports.Writer.TryComplete(new IOException("the connection was reset"));

        public ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation)
        {
            Commands.Add(command.GetType());
            Before(command);
            WorkerReport report = command switch
            {
                OpenGuest when Refusal is { } refusal => new GuestFailed("j", "a", refusal),
                OpenGuest => new GuestOpened("j", "a", CaptureTransport.Direct, CaptureStrategy.Precopy, "", TimeSpan.Zero, true),
                RunPass pass => new PassFinished("j", "a", VoteDecision.Done, new PassReport { Pass = pass.Pass }),
                PrepareCut cut => new CutPrepared("j", "a", cut.Epoch),
                MakeCut cut => new CutHeld("j", "a", cut.Epoch, DateTimeOffset.UnixEpoch),
                ReleaseCut cut => new CutEnded("j", "a", new CutReport
                {
                    Epoch = cut.Epoch, HeldUntilRelease = true, StoppedAt = DateTimeOffset.UnixEpoch, ThawedAt = DateTimeOffset.UnixEpoch.AddSeconds(1),
                }),
                DrainGuest => new GuestDrained("j", "a", new PassReport { Pass = uint.MaxValue }),
                _ => new GuestClosed("j", "a"),
            };
            if (!IsSilent(command)) _reports.Writer.TryWrite(report);
            return default;
        }

        public ValueTask<WorkerReport> ReceiveAsync(CancellationToken cancellation) => _reports.Reader.ReadAsync(cancellation);
    }
}
