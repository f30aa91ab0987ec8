using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>
/// Runs one job: hands messages to <see cref="JobMachine"/>, applies what it decides, and does what it asks for. Holds no rule of its own.
/// </summary>
/// <param name="port">The line to the workers of the job.</param>
/// <param name="commit">The catalog.</param>
/// <param name="progress">Whom to tell when the job steps to another phase, or null.</param>
public sealed class JobHost(IWorkerPort port, IJobCommit commit, IProgress<JobProgress>? progress)
{
    /// <summary>Runs a job to its end.</summary>
    /// <param name="plan">What to do.</param>
    /// <param name="cancellation">Cancels the job: it is aborted, and this returns when every guest is put back.</param>
    /// <returns>The job as it ended; <see cref="JobState.Error"/> says why when there is no checkpoint.</returns>
    /// <exception cref="SnapshotException">The plan cannot be carried out by anybody.</exception>
    public async Task<JobState> RunAsync(JobPlan plan, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check();
        var job = new Running(this, plan, cancellation);
        return await job.RunAsync();
    }

    private sealed class Running(JobHost host, JobPlan plan, CancellationToken cancellation)
    {
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Task? _committing;
        private JobState _state = JobState.New(plan);

        public async Task<JobState> RunAsync()
        {
            await using var registration = cancellation.Register(_cancelled.SetResult);
            await StepAsync(new StartJob());
            Task cancelled = _cancelled.Task;
            var never = new TaskCompletionSource().Task;
            var receiving = ReceiveAsync();
            while (!_state.IsOver)
            {
                // The first that is there counts: a cancellation overtakes reports that wait.
                var first = await Task.WhenAny(cancelled, _committing ?? never, receiving);
                if (first == cancelled)
                {
                    cancelled = never;
                    await StepAsync(new CancelJob());
                }
                else if (first == _committing)
                {
                    await StepAsync(await CommitOutcomeAsync());
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

        private async Task StepAsync(JobMessage message)
        {
            var before = _state.Phase;
            var decision = JobMachine.Decide(_state, message);
            _state = JobFold.Apply(_state, decision.Events);
            foreach (var dropped in decision.Events.OfType<GuestDropped>())
                host.Tell(_state, $"left out of the checkpoint: {dropped.Error.Message}", dropped.Guest);
            if (_state.Phase != before || decision.Events.Any(e => e is CutVoided))
                host.Tell(_state, _state.VoidReason is { } reason ? $"cut {_state.Epoch} is void: {reason}" : null);
            foreach (var action in decision.Actions) await DoAsync(action);
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
