using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// Goes on with the jobs of a repository whose process died, by itself and one after the other. A job that cannot go on now is tried again after ever longer
/// rests; one that was begun too often is left to people: it may be what kills its processes.
/// </summary>
/// <param name="repository">The repository; not owned.</param>
/// <param name="resume">Goes on with a job to its end.</param>
/// <param name="note">Told, in a line for people, what becomes of jobs.</param>
/// <param name="time">The clock.</param>
internal sealed class JobKeeper(DirectoryRepository repository, Func<Ulid, CancellationToken, Task> resume, Action<string> note, TimeProvider time)
{
    /// <summary>Processes a job may have, the first included.</summary>
    private const int MaxAttempts = 10;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstRest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, (TimeSpan Length, DateTimeOffset Until)> _resting = new(StringComparer.Ordinal);

    /// <summary>Looks after the jobs until cancelled; a job that is under way then is interrupted, and can be gone on with.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                foreach (var job in await ListedJob.ReadAsync(repository, time, cancellation))
                {
                    if (job.IsInterrupted && IsDue(job) && Ulid.TryParse(job.Id, out var id)) await ResumeAsync(job, id, cancellation);
                }
                await Task.Delay(Interval, time, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
        }
    }

    private bool IsDue(ListedJob job) => !_resting.TryGetValue(job.Id, out var resting) || time.GetUtcNow() >= resting.Until;

    private async Task ResumeAsync(ListedJob job, Ulid id, CancellationToken cancellation)
    {
        if (job.Attempt >= MaxAttempts)
        {
            note($"job {job.Id} was begun {job.Attempt} times and is left alone — 'cutpoint resume {job.Id}' tries once more, 'cutpoint cancel {job.Id}' removes it");
            _resting[job.Id] = (LongestRest, DateTimeOffset.MaxValue);
            return;
        }
        note($"job {job.Id}: its process died, this one goes on with it");
        try
        {
            await resume(id, cancellation);
            note($"job {job.Id}: its checkpoint is there");
        }
        catch (Exception error) when (error is SnapshotException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            note($"job {job.Id}: {JobError.From(error).Message}");
        }
        var rest = _resting.TryGetValue(job.Id, out var last) ? last.Length * 2 : FirstRest;
        rest = rest < LongestRest ? rest : LongestRest;
        _resting[job.Id] = (rest, time.GetUtcNow() + rest);
    }
}
