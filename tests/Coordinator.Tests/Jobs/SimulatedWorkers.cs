using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Tests.Jobs;

/// <summary>
/// Workers that keep the rules of the messages and are otherwise as unhelpful as a sequence of numbers tells them to be: they answer late, fail, thaw at
/// the freeze limit, vote for ever. The clock is the number of steps.
/// </summary>
internal sealed class SimulatedWorkers(JobPlan plan, IEnumerator<int> whims)
{
    private readonly Dictionary<string, Guest> _guests = plan.Guests.ToDictionary(g => g.Name, g => new Guest(g.Name));
    private int _clock;

    public JobState State { get; private set; } = JobState.New(plan);

    public List<JobEvent> Journal { get; } = [];

    public bool CommitAsked { get; private set; }

    public bool Committed { get; private set; }

    public IEnumerable<string> Paused => _guests.Values.Where(g => g.IsPaused).Select(g => g.Name);

    /// <summary>Every interval in which all guests of the attempt that was committed were stopped.</summary>
    public bool AllStoppedAtOnce { get; private set; }

    private int Whim(int below) => whims.MoveNext() ? Math.Abs(whims.Current % below) : 0;

    /// <summary>Runs until nothing is left to happen, or too long.</summary>
    public bool Run(int steps)
    {
        Receive(new StartJob());
        while (!State.IsOver && _clock < steps)
        {
            _clock++;
            if (_guests.Values.All(g => g.IsPaused || State.Find(g.Name)!.Missing is not null)) AllStoppedAtOnce = true;
            if (Whim(60) == 1) Receive(new CancelJob());
            var busy = _guests.Values.Where(g => g.Inbox.Count > 0 || g.Closing || g.IsPaused).ToList();
            if (CommitAsked && !Committed && Whim(3) == 0)
            {
                Receive(Whim(4) == 1 ? new CommitFailed(new JobError(ErrorCode.NoSpace, "full")) : new CommitSucceeded());
                CommitAsked = false;
                continue;
            }
            // In turn when the numbers have run out: a held guest with nothing to do must not keep the others from being served.
            if (busy.Count > 0) Act(busy[(Whim(busy.Count) + _clock) % busy.Count]);
        }
        return State.IsOver;
    }

    private void Act(Guest guest)
    {
        if (guest.Closing)
        {
            guest.IsPaused = false;
            guest.Closing = false;
            guest.Inbox.Clear();
            Say(new GuestClosed(plan.JobId, guest.Name));
            return;
        }
        if (guest.IsPaused && Whim(12) == 1)
        {
            // The freeze limit.
            Thaw(guest, released: false);
            return;
        }
        if (!guest.Inbox.TryDequeue(out var command)) return;
        if (Whim(25) == 1)
        {
            Say(Whim(2) == 1
                ? new GuestLost(plan.JobId, guest.Name, new JobError(ErrorCode.Locked, "lost"), WasReached: Whim(2) == 1)
                : new GuestFailed(plan.JobId, guest.Name, new JobError(ErrorCode.Failed, "broken")));
            return;
        }
        // Any message may come twice.
        var times = Whim(10) == 1 ? 2 : 1;
        for (var i = 0; i < times; i++) Answer(guest, command);
    }

    private void Answer(Guest guest, WorkerCommand command)
    {
        switch (command)
        {
            case OpenGuest:
                var strategy = Whim(4) == 1 ? CaptureStrategy.Background : CaptureStrategy.Precopy;
                var transport = Whim(3) == 1 ? CaptureTransport.Stream : CaptureTransport.Direct;
                Say(new GuestOpened(plan.JobId, guest.Name, transport, strategy, "test", TimeSpan.FromMilliseconds(5), true));
                break;
            case RunPass run:
                var decision = Whim(3) == 0 ? VoteDecision.AnotherPass : Whim(30) == 1 ? VoteDecision.GiveUp : VoteDecision.Done;
                Say(new PassFinished(plan.JobId, guest.Name, decision, new PassReport
                {
                    Pass = run.Pass,
                    PredictedPause = TimeSpan.FromMilliseconds(Whim(20) == 1 ? 100_000 : 10),
                }));
                break;
            case PrepareCut prepare:
                Say(new CutPrepared(plan.JobId, guest.Name, prepare.Epoch));
                break;
            case MakeCut cut:
                guest.Epoch = cut.Epoch;
                guest.IsPaused = true;
                guest.StoppedAt = Now;
                Say(new CutHeld(plan.JobId, guest.Name, cut.Epoch, guest.StoppedAt));
                break;
            case ReleaseCut release when release.Epoch == guest.Epoch:
                if (guest.IsPaused) Thaw(guest, released: true);
                break;
            case DrainGuest:
                Say(new GuestDrained(plan.JobId, guest.Name, new PassReport { Pass = uint.MaxValue, IsFinal = true }));
                break;
        }
    }

    private DateTimeOffset Now => DateTimeOffset.UnixEpoch.AddMilliseconds(_clock);

    private void Thaw(Guest guest, bool released)
    {
        guest.IsPaused = false;
        Say(new CutEnded(plan.JobId, guest.Name, new CutReport
        {
            Epoch = guest.Epoch,
            StoppedAt = guest.StoppedAt,
            ThawedAt = Now,
            HeldUntilRelease = released,
            WasRunning = true,
        }));
    }

    private void Say(WorkerReport report) => Receive(new WorkerReported(report));

    private void Receive(JobMessage message)
    {
        var decision = JobMachine.Decide(State, message);
        Journal.AddRange(decision.Events);
        State = JobFold.Apply(State, decision.Events);
        foreach (var action in decision.Actions)
        {
            switch (action)
            {
                case TellWorker { Command: CloseGuest close }:
                    _guests[close.Guest].Closing = true;
                    break;
                case TellWorker { Command: MakeCut cut }:
                    AllStoppedAtOnce = false;
                    _guests[cut.Guest].Inbox.Enqueue(cut);
                    break;
                case TellWorker tell:
                    _guests[tell.Command.Guest].Inbox.Enqueue(tell.Command);
                    break;
                case CommitCheckpoint:
                    CommitAsked = true;
                    break;
                case DiscardCheckpoint:
                    break;
            }
        }
        Committed |= message is CommitSucceeded && State.Phase is JobPhase.Committed;
    }

    private sealed class Guest(string name)
    {
        public string Name { get; } = name;

        public Queue<WorkerCommand> Inbox { get; } = [];

        public bool IsPaused { get; set; }

        public bool Closing { get; set; }

        public int Epoch { get; set; }

        public DateTimeOffset StoppedAt { get; set; }
    }
}
