using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>
/// Runs one job: hands messages to <see cref="JobMachine"/>, writes down what it decides, and does what it asks for. Holds no rule of its own but one: events
/// are in the journal before their actions are done, except while a guest may stand still. Then the actions come first, since nothing may wait for a disk, and
/// the events follow as soon as none does. A process that dies in between loses only the story of a cut that is void without it.
/// </summary>
/// <param name="port">The line to the workers of the job.</param>
/// <param name="commit">The catalog.</param>
/// <param name="journal">The journal of the job.</param>
/// <param name="progress">Whom to tell when the job steps to another phase, or null.</param>
public sealed class JobHost(IWorkerPort port, IJobCommit commit, IJobJournal journal, IProgress<JobProgress>? progress)
{
    /// <summary>Runs a job to its end.</summary>
    /// <param name="plan">What to do.</param>
    /// <param name="cancellation">Cancels the job: it is aborted, and this returns when every guest is put back.</param>
    /// <param name="ending">Cancelled before <paramref name="cancellation"/> when the process shall end and the job may go on in another.</param>
    /// <returns>The job as it ended; <see cref="JobState.Error"/> says why when there is no checkpoint.</returns>
    /// <exception cref="SnapshotException">The plan cannot be carried out by anybody, or the journal cannot be written.</exception>
    public Task<JobState> RunAsync(JobPlan plan, CancellationToken cancellation, CancellationToken ending = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check();
        return RunAsync(JobState.New(plan), new JobPlanned(plan), cancellation, ending);
    }

    /// <summary>Runs a job whose plan is in the journal already, to its end.</summary>
    /// <inheritdoc cref="RunAsync(JobPlan, CancellationToken, CancellationToken)"/>
    public Task<JobState> BeginAsync(JobState state, CancellationToken cancellation, CancellationToken ending = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        state.Plan.Check();
        return RunAsync(state, null, cancellation, ending);
    }

    /// <summary>Goes on with a job whose process died, to its end.</summary>
    /// <inheritdoc cref="RunAsync(JobPlan, CancellationToken, CancellationToken)"/>
    public Task<JobState> ResumeAsync(JobState state, CancellationToken cancellation, CancellationToken ending = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        return RunAsync(state, new JobResumed(state.Attempt + 1), cancellation, ending);
    }

    /// <summary>Writes the end of a job whose process died: that its checkpoint is there, or that there will be none.</summary>
    /// <returns>The job as it ended.</returns>
    public static async Task<JobState> ConcludeAsync(JobState state, IJobJournal journal, JobMessage end)
    {
        ArgumentNullException.ThrowIfNull(journal);
        var decision = JobMachine.Decide(state, end);
        await journal.AppendAsync(decision.Events, CancellationToken.None);
        return JobFold.Apply(state, decision.Events);
    }

    private async Task<JobState> RunAsync(JobState state, JobEvent? begun, CancellationToken cancellation, CancellationToken ending)
    {
        var job = new Running(this, state, cancellation, ending);
        return await job.RunAsync(begun);
    }

    private sealed class Running(JobHost host, JobState state, CancellationToken cancellation, CancellationToken ending)
    {
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<JobEvent> _unwritten = [];
        private Task? _committing;
        private JobState _state = state;

        public async Task<JobState> RunAsync(JobEvent? begun)
        {
            await using var registration = cancellation.Register(_cancelled.SetResult);
            using var over = new CancellationTokenSource();
            try
            {
                if (begun is not null)
                {
                    _state = JobFold.Apply(_state, begun);
                    await host.KeepAsync([begun]);
                }
                await StepAsync(new StartJob());
                Task cancelled = _cancelled.Task;
                var never = new TaskCompletionSource().Task;
                var receiving = ReceiveAsync();
                var asked = host.AskedAsync(over.Token);
                while (!_state.IsOver)
                {
                    // The first that is there counts: a cancellation overtakes reports that wait.
                    var first = await Task.WhenAny(cancelled, _committing ?? never, receiving, asked);
                    if (first == cancelled)
                    {
                        cancelled = never;
                        await StepAsync(ending.IsCancellationRequested ? new InterruptJob("its process was asked to end") : new CancelJob());
                    }
                    else if (first == _committing)
                    {
                        await StepAsync(await CommitOutcomeAsync());
                    }
                    else if (first == asked)
                    {
                        var message = await asked;
                        asked = host.AskedAsync(over.Token);
                        await StepAsync(message);
                    }
                    else
                    {
                        var message = await receiving;
                        receiving = message is WorkersLost ? new TaskCompletionSource<JobMessage>().Task : ReceiveAsync();
                        await StepAsync(message);
                    }
                }
                return _state;
            }
            finally
            {
                await over.CancelAsync();
            }
        }

        private async Task StepAsync(JobMessage message)
        {
            var before = _state;
            var decision = JobMachine.Decide(_state, message);
            _state = JobFold.Apply(_state, decision.Events);
            _unwritten.AddRange(decision.Events);
            if (!before.MayHoldGuests) await WriteAsync();
            foreach (var dropped in decision.Events.OfType<GuestDropped>())
                host.Tell(_state, $"left out of the checkpoint: {dropped.Error.Message}", dropped.Guest);
            if (_state.Phase != before.Phase || decision.Events.Any(e => e is CutVoided))
                host.Tell(_state, _state.VoidReason is { } reason ? $"cut {_state.Epoch} is void: {reason}" : null);
            foreach (var action in decision.Actions) await DoAsync(action);
            if (!_state.MayHoldGuests) await WriteAsync();
        }

        private async Task WriteAsync()
        {
            if (_unwritten.Count == 0) return;
            await host.KeepAsync([.. _unwritten]);
            _unwritten.Clear();
        }

        private async Task DoAsync(JobAction action)
        {
            switch (action)
            {
                case TellWorker tell:
                    await host.SendAsync(tell.Command);
                    break;
                case CommitCheckpoint:
                    _committing = host.CommitAsync(_state, cancellation);
                    break;
                case DiscardCheckpoint:
                    await host.DiscardAsync(_state);
                    break;
            }
        }

        private async Task<JobMessage> CommitOutcomeAsync()
        {
            try
            {
                await _committing!;
                return new CommitSucceeded();
            }
            catch (Exception error)
            {
                return new CommitFailed(JobError.From(error));
            }
            finally
            {
                _committing = null;
            }
        }

        private async Task<JobMessage> ReceiveAsync()
        {
            try
            {
                return new WorkerReported(await host.ReceiveAsync());
            }
            catch (Exception error)
            {
                return new WorkersLost(JobError.From(error));
            }
        }
    }

    /// <summary>Never cancelled: what has happened has happened.</summary>
    private Task KeepAsync(IReadOnlyList<JobEvent> events) => journal.AppendAsync(events, CancellationToken.None);

    private Task<JobMessage> AskedAsync(CancellationToken over) => journal.ReceiveAsync(over);

    private ValueTask<WorkerReport> ReceiveAsync() => port.ReceiveAsync(CancellationToken.None);

    /// <summary>Never cancelled: a command that puts a guest back must get through.</summary>
    private ValueTask SendAsync(WorkerCommand command) => port.SendAsync(command, CancellationToken.None);

    private Task CommitAsync(JobState state, CancellationToken cancellation) => commit.CommitAsync(state, cancellation);

    private Task DiscardAsync(JobState state) => commit.DiscardAsync(state);

    private void Tell(JobState state, string? note, string? guest = null) => progress?.Report(new JobProgress
    {
        JobId = state.Plan.JobId,
        Guest = guest,
        Phase = state.Phase,
        Pass = state.Pass,
        Note = note,
    });
}
