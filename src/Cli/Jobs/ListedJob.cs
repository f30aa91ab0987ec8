using Cutpoint.Cli.Output;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>A job that is not over, as users see it.</summary>
/// <param name="Id">The job, and the checkpoint it makes.</param>
/// <param name="Name">The name the checkpoint will have.</param>
/// <param name="Phase">Where it stands; <see cref="JobPhase.Interrupted"/> when its process died.</param>
/// <param name="LastPhase">Where it stood when its process died.</param>
/// <param name="Pass">The last pass that was begun.</param>
/// <param name="Attempt">Processes that have run it; 0 while it waits for the first.</param>
/// <param name="StoredBytes">Octets it has stored.</param>
/// <param name="Guests">URIs of its guests.</param>
/// <param name="Host">The machine its process ran on last, when a guest is reached from there and by no node; else null.</param>
internal sealed record ListedJob(
    string Id, string? Name, JobPhase Phase, JobPhase LastPhase, uint Pass, int Attempt, long StoredBytes, IReadOnlyList<string> Guests, string? Host = null)
{
    /// <summary>True when it can be gone on with.</summary>
    public bool IsInterrupted => Phase == JobPhase.Interrupted;

    /// <summary>True when it was submitted and nobody has begun it.</summary>
    public bool IsWaiting => Attempt == 0;

    /// <summary>The jobs that wait, run or were interrupted, oldest first.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="database">Where the journals are; null where there are none.</param>
    /// <param name="cancellation">Ends the call.</param>
    public static async Task<IReadOnlyList<ListedJob>> ReadAsync(DirectoryRepository repository, Database? database, CancellationToken cancellation)
    {
        if (database is null) return [];
        var open = await repository.ListJobsAsync(cancellation);
        var listed = new List<ListedJob>();
        foreach (var job in open.Where(job => job.IsRunning || job.IsResumable))
        {
            var events = await JobJournal.ReadAsync(database, job.Id.ToString(), 0, cancellation);
            // Those who read, import or have only just begun.
            if (events.Count == 0) continue;
            var state = JobFold.Replay(events.Select(one => one.Event));
            listed.Add(new ListedJob(
                job.Id.ToString(), state.Plan.Name, job.IsInterrupted ? JobPhase.Interrupted : state.Phase, state.Phase, state.Pass, state.Attempt, job.StoredBytes,
                [.. state.Plan.Guests.Select(guest => guest.Uri)], state.Plan.Guests.Any(guest => guest.Node is null) ? job.Owner?.Host : null));
        }
        if (repository.DatabaseConnectionString is null) return listed;
        // Not one of guests that only the machine reaches where it was begun: its process died before it kept anything.
        var begun = listed.Select(job => job.Id).ToHashSet();
        var submitted = (await JobJournal.ListSubmittedAsync(database, cancellation)).Where(plan => !begun.Contains(plan.JobId) && plan.Guests.All(guest => guest.Node is not null));
        listed.AddRange(submitted.Select(plan => new ListedJob(plan.JobId, plan.Name, JobPhase.Planned, JobPhase.Planned, 0, 0, 0, [.. plan.Guests.Select(guest => guest.Uri)])));
        return listed;
    }

    /// <summary>One line for people.</summary>
    public override string ToString()
    {
        var what = $"job {Id} of {string.Join(", ", Guests)}";
        return IsWaiting ? $"{what} waits for a coordinator"
            : IsInterrupted ? $"{what} was interrupted with {Quantity.Bytes(StoredBytes)} stored — 'cutpoint resume {Id}' goes on, 'cutpoint cancel {Id}' removes it"
            : $"{what} is running: {Phase.ToString().ToLowerInvariant()}, {Quantity.Bytes(StoredBytes)} stored";
    }
}
