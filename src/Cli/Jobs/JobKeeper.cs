using Cutpoint.Durability;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// Runs the jobs of a repository that have no process: those that were submitted, and those whose process died. A job that cannot go on now is tried again after
/// ever longer rests; one that was begun too often is left to people: it may be what kills its processes. One that waits for a node, or that another coordinator has
/// to run, is looked at again and again without being begun.
/// </summary>
/// <param name="repository">The repository; not owned.</param>
/// <param name="database">Where the journals of its jobs are; not owned.</param>
/// <param name="limit">Jobs that run at once.</param>
/// <param name="hindrance">Why a job cannot be run by this process now; null when nothing is known against it.</param>
/// <param name="begin">Begins a job that was submitted, and runs it to its end.</param>
/// <param name="resume">Goes on with a job to its end.</param>
/// <param name="note">Told, in a line for people, what becomes of jobs; any thread.</param>
/// <param name="time">The clock.</param>
internal sealed class JobKeeper(
    DirectoryRepository repository, Database database, int limit, Func<ListedJob, CancellationToken, Task<SnapshotException?>> hindrance, Func<Ulid, CancellationToken, Task> begin,
    Func<Ulid, CancellationToken, Task> resume, Action<string> note, TimeProvider time)
{
    /// <summary>Processes a job may have, the first included.</summary>
    private const int MaxAttempts = 10;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstRest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, Task> _running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (TimeSpan Length, DateTimeOffset Until)> _resting = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _told = new(StringComparer.Ordinal);
    private bool _isAway;

    /// <summary>Looks after the jobs until cancelled; those that are under way then are interrupted, and can be gone on with.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                foreach (var ended in _running.Where(job => job.Value.IsCompleted).ToList())
                {
                    _running.Remove(ended.Key);
                    await ended.Value;
                }
                if (_running.Count < limit) await StartAsync(cancellation);
                await Task.WhenAny([database.WaitAsync(Interval, cancellation), .. _running.Values]);
                cancellation.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
        }
        finally
        {
            // Nothing is claimed any more; what runs is interrupted by the same token, and left so that another goes on at once.
            await Task.WhenAll(_running.Values);
        }
    }

    private async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            var listed = await ListedJob.ReadAsync(repository, database, cancellation);
            Forget(listed);
            foreach (var job in listed)
            {
                if (_running.Count == limit) break;
                if (job.Problem is { } problem) TellOnce(job, $"is left alone: {problem.Message} — {problem.Advice}");
                if (!job.CanBeRun || _running.ContainsKey(job.Id) || !IsDue(job) || !IsOurs(job) || !Ulid.TryParse(job.Id, out var id)) continue;
                if (await hindrance(job, cancellation) is { } why) Wait(job, why);
                else _running[job.Id] = KeepAsync(job, id, cancellation);
            }
            if (_isAway) note("jobs are begun again");
            _isAway = false;
        }
        catch (SnapshotException error)
        {
            // What is under way goes on, and has its own means to find out what is wrong.
            if (!_isAway) note($"no jobs are begun for now: {error.Message}");
            _isAway = true;
        }
    }

    private void Wait(ListedJob job, SnapshotException why)
    {
        TellOnce(job, why.Code == ErrorCode.NotAuthorised ? $"is left to another coordinator: {why.Message} — {why.Advice}" : $"waits: {why.Message} — {why.Advice}");
        lock (_resting) _resting[job.Id] = (FirstRest, time.GetUtcNow() + FirstRest);
    }

    /// <summary>Says of a job what is not said of it already.</summary>
    private void TellOnce(ListedJob job, string what)
    {
        if (_told.TryGetValue(job.Id, out var last) && last == what) return;
        _told[job.Id] = what;
        note($"job {job.Id} {what}");
    }

    /// <summary>Jobs that are over are remembered no longer.</summary>
    private void Forget(IReadOnlyList<ListedJob> listed)
    {
        var there = listed.Select(job => job.Id).ToHashSet();
        foreach (var id in _told.Keys.Where(id => !there.Contains(id)).ToList()) _told.Remove(id);
        lock (_resting)
        {
            foreach (var id in _resting.Keys.Where(id => !there.Contains(id)).ToList()) _resting.Remove(id);
        }
    }

    private bool IsDue(ListedJob job)
    {
        lock (_resting) return !_resting.TryGetValue(job.Id, out var resting) || time.GetUtcNow() >= resting.Until;
    }

    /// <summary>A guest that is named without a node is one of the machine its job ran on: here there may be another under the same name.</summary>
    private bool IsOurs(ListedJob job) => repository.DatabaseConnectionString is null || job.Host is null || job.Host == Environment.MachineName;

    /// <summary>One job; throws only what nobody expects.</summary>
    private async Task KeepAsync(ListedJob job, Ulid id, CancellationToken cancellation)
    {
        if (job.Attempt >= MaxAttempts)
        {
            note($"job {job.Id} was begun {job.Attempt} times and is left alone — 'cutpoint resume {job.Id}' tries once more, 'cutpoint cancel {job.Id}' removes it");
            Rest(job, DateTimeOffset.MaxValue);
            return;
        }
        try
        {
            await Task.Yield();
            note(job.IsWaiting ? $"job {job.Id}: was submitted, this process begins it" : $"job {job.Id}: was interrupted, this process goes on with it");
            await (job.IsWaiting ? begin : resume)(id, cancellation);
            note($"job {job.Id}: its checkpoint is there");
        }
        catch (SnapshotException error) when (error is { Code: ErrorCode.Locked, IsPreflight: true, IsTransient: true })
        {
            note($"job {job.Id}: another process was first");
            return;
        }
        catch (Exception error) when (error is SnapshotException or OperationCanceledException)
        {
            if (cancellation.IsCancellationRequested) note($"job {job.Id}: is left to the next process");
            else note(JobError.From(error).Message is var message && message.StartsWith($"job {job.Id}", StringComparison.Ordinal) ? message : $"job {job.Id}: {message}");
        }
        Rest(job, null);
    }

    private void Rest(ListedJob job, DateTimeOffset? until)
    {
        lock (_resting)
        {
            var length = _resting.TryGetValue(job.Id, out var last) ? last.Length * 2 : FirstRest;
            length = length < LongestRest ? length : LongestRest;
            _resting[job.Id] = (length, until ?? time.GetUtcNow() + length);
        }
    }
}
