using Cutpoint.Cli.Output;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>A job that is not over, as users see it.</summary>
/// <param name="Id">The job, and the checkpoint it makes.</param>
/// <param name="Name">The name the checkpoint will have.</param>
/// <param name="Phase">Where it stands; <see cref="JobPhase.Interrupted"/> when its process died.</param>
/// <param name="LastPhase">Where it stood when its process died.</param>
/// <param name="Pass">The last pass that was begun.</param>
/// <param name="Attempt">Processes that have run it.</param>
/// <param name="StoredBytes">Octets it has stored.</param>
/// <param name="Guests">URIs of its guests.</param>
internal sealed record ListedJob(string Id, string? Name, JobPhase Phase, JobPhase LastPhase, uint Pass, int Attempt, long StoredBytes, IReadOnlyList<string> Guests)
{
    /// <summary>True when it can be gone on with.</summary>
    public bool IsInterrupted => Phase == JobPhase.Interrupted;

    /// <summary>The jobs that run or were interrupted, oldest first.</summary>
    public static async Task<IReadOnlyList<ListedJob>> ReadAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation)
    {
        var jobs = (await repository.ListJobsAsync(cancellation)).Where(job => job.IsRunning || job.IsResumable).ToList();
        if (jobs.Count == 0) return [];
        await using var database = await JobDatabase.TryOpenAsync(repository, time, cancellation);
        if (database is null) return [];
        var listed = new List<ListedJob>();
        foreach (var job in jobs)
        {
            var events = await JobJournal.ReadAsync(database, job.Id.ToString(), 0, cancellation);
            // Those who read, import or have only just begun.
            if (events.Count == 0) continue;
            var state = JobFold.Replay(events.Select(one => one.Event));
            listed.Add(new ListedJob(
                job.Id.ToString(), state.Plan.Name, job.IsInterrupted ? JobPhase.Interrupted : state.Phase, state.Phase, state.Pass, state.Attempt, job.StoredBytes,
                [.. state.Plan.Guests.Select(guest => guest.Uri)]));
        }
        return listed;
    }

    /// <summary>One line for people.</summary>
    public override string ToString() => IsInterrupted
        ? $"job {Id} of {string.Join(", ", Guests)} was interrupted with {Quantity.Bytes(StoredBytes)} stored — 'cutpoint resume {Id}' goes on, 'cutpoint cancel {Id}' removes it"
        : $"job {Id} of {string.Join(", ", Guests)} is running: {Phase.ToString().ToLowerInvariant()}, {Quantity.Bytes(StoredBytes)} stored";
}
