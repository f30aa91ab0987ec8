using System.Globalization;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Jobs;

namespace Cutpoint.Cli.Jobs;

/// <summary>Follows a job that runs elsewhere by its journal, and tells how it goes as the job itself would.</summary>
/// <param name="database">Where its journal is; not owned.</param>
/// <param name="job">The job.</param>
/// <param name="progress">Told how it goes.</param>
/// <param name="time">The clock.</param>
internal sealed class JobFollower(Database database, string job, IProgress<JobProgress> progress, TimeProvider time)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    private JobState? _state;
    private long _last;
    private bool _isAway;

    /// <summary>Follows it until it is over. One that was interrupted is waited for: a coordinator goes on with it.</summary>
    /// <returns>The job as it ended.</returns>
    public async Task<JobState> FollowAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                foreach (var (number, _, happened) in await JobJournal.ReadAsync(database, job, _last, cancellation))
                {
                    _last = number;
                    _state = _state is null ? JobFold.Replay([happened]) : JobFold.Apply(_state, happened);
                    Tell(_state, happened);
                }
                if (_isAway) Note("the database answers again");
                _isAway = false;
            }
            catch (SnapshotException error) when (error.IsTransient)
            {
                if (!_isAway) Note($"{error.Message}; the job is not followed for now");
                _isAway = true;
            }
            if (_state is { IsOver: true, Phase: not JobPhase.Interrupted }) return _state;
            await Task.Delay(PollInterval, time, cancellation);
        }
    }

    private void Tell(JobState state, JobEvent happened)
    {
        var moment = new JobProgress { JobId = job, Phase = state.Phase, Pass = state.Pass };
        progress.Report(happened switch
        {
            GuestLookedAt { Answer: var a } => moment with { Guest = a.Guest, Note = $"{Value(a.Transport)}/{Value(a.Strategy)}: {a.Reason}" },
            PassEnded { Answer: var a } => moment with
            {
                Guest = a.Guest, LastPass = a.Report, PredictedPause = a.Report.PredictedPause, BytesStored = state.Guests.Sum(guest => guest.Passes.Sum(pass => pass.Report.BytesStored)),
                SinkBytesPerSecond = a.Report.SinkBytesPerSecond,
            },
            GuestThawed { Answer: var a } => moment with { Guest = a.Guest, Cut = a.Cut },
            GuestDropped e => moment with { Guest = e.Guest, Note = $"left out of the checkpoint: {e.Error.Message}" },
            CutVoided e => moment with { Note = $"cut {e.Epoch} is void: {e.Reason}" },
            JobInterrupted => moment with { Note = "its coordinator was asked to end; another goes on" },
            JobResumed e => moment with { Note = string.Create(CultureInfo.InvariantCulture, $"process {e.Attempt} goes on") },
            _ => moment,
        });
    }

    private void Note(string note) => progress.Report(new JobProgress { JobId = job, Phase = _state?.Phase ?? JobPhase.Planned, Pass = _state?.Pass ?? 0, Note = note });

    private static string Value<T>(T choice)
        where T : struct, Enum => choice.ToString().ToLowerInvariant();
}
