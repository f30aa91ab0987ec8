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
    /// <summary>How long a job that was interrupted is waited for: time for a host to start again.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    private JobState? _state;
    private long _last;
    private bool _isAway;
    private long? _stuckSince;

    /// <summary>Follows it until it is over. One that was interrupted is waited for, since a coordinator goes on with it; but not for ever.</summary>
    /// <returns>The job as it ended, or as it was left.</returns>
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
                    if (_state.Phase >= JobPhase.Live && _state.Phase <= JobPhase.Committing) _stuckSince = null;
                }
                if (_isAway) Note("the database answers again");
                _isAway = false;
            }
            catch (SnapshotException error) when (error.IsTransient)
            {
                if (!_isAway) Note($"{error.Message}; the job is not followed for now");
                _isAway = true;
            }
            if (_state is { IsOver: true } && (_state.Phase != JobPhase.Interrupted || IsStuck())) return _state;
            await Task.Delay(PollInterval, time, cancellation);
        }
    }

    private bool IsStuck()
    {
        _stuckSince ??= time.GetTimestamp();
        return time.GetElapsedTime(_stuckSince.Value) >= Patience;
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
            JobInterrupted => moment with { Note = $"{state.Error!.Message}; a coordinator goes on with it when it can" },
            JobResumed e => moment with { Note = string.Create(CultureInfo.InvariantCulture, $"process {e.Attempt} goes on") },
            _ => moment,
        });
    }

    private void Note(string note) => progress.Report(new JobProgress { JobId = job, Phase = _state?.Phase ?? JobPhase.Planned, Pass = _state?.Pass ?? 0, Note = note });

    private static string Value<T>(T choice)
        where T : struct, Enum => choice.ToString().ToLowerInvariant();
}
