using System.Text.Json.Serialization;
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
/// <param name="Nodes">The nodes that serve them, as they were named.</param>
/// <param name="Host">The machine its process ran on last, when a guest is reached from there and by no node; else null.</param>
/// <param name="Problem">Why its journal cannot be read, when it cannot; then nothing but its id and its size is known.</param>
internal sealed record ListedJob(
    string Id, string? Name, JobPhase Phase, JobPhase LastPhase, uint Pass, int Attempt, long StoredBytes, IReadOnlyList<string> Guests, IReadOnlyList<string> Nodes,
    string? Host = null, JobError? Problem = null)
{
    /// <summary>True when it can be gone on with.</summary>
    public bool IsInterrupted => Phase == JobPhase.Interrupted;

    /// <summary>True when it was submitted and nobody has begun it.</summary>
    public bool IsWaiting => Attempt == 0 && Problem is null;

    /// <summary>True when it has no process, and this program can run it.</summary>
    [JsonIgnore]
    public bool CanBeRun => Problem is null && (IsWaiting || IsInterrupted);

    /// <summary>The jobs that wait, run or were interrupted, oldest first. One whose journal cannot be read keeps nobody from the others.</summary>
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
            var (state, problem) = await LoadAsync(database, job.Id.ToString(), cancellation);
            if (problem is not null) listed.Add(Unreadable(job.Id.ToString(), problem, job));
            // Those that have no journal read, import or have only just begun.
            else if (state is not null) listed.Add(Begun(job, state));
        }
        if (repository.DatabaseConnectionString is null) return listed;
        var begun = listed.Select(job => job.Id).ToHashSet();
        foreach (var id in (await JobJournal.ListSubmittedAsync(database, cancellation)).Where(id => !begun.Contains(id)))
        {
            var (state, problem) = await LoadAsync(database, id, cancellation);
            if (problem is not null) listed.Add(Unreadable(id, problem));
            // Not one of guests that only the machine reaches where it was begun: its process died before it kept anything.
            else if (state is { Phase: JobPhase.Planned } && state.Plan.Guests.All(guest => guest.Node is not null)) listed.Add(Submitted(state.Plan));
        }
        return listed;
    }

    /// <summary>One line for people.</summary>
    public override string ToString()
    {
        if (Problem is not null) return $"job {Id} cannot be told about: {Problem.Message} — {Problem.Advice}";
        var what = $"job {Id} of {string.Join(", ", Guests)}";
        return IsWaiting ? $"{what} waits for a coordinator"
            : IsInterrupted ? $"{what} was interrupted with {Quantity.Bytes(StoredBytes)} stored — 'cutpoint resume {Id}' goes on, 'cutpoint cancel {Id}' removes it"
            : $"{what} is running: {Phase.ToString().ToLowerInvariant()}, {Quantity.Bytes(StoredBytes)} stored";
    }

    private static async Task<(JobState? State, JobError? Problem)> LoadAsync(Database database, string id, CancellationToken cancellation)
    {
        try
        {
            return (await JobJournal.LoadAsync(database, id, cancellation), null);
        }
        catch (SnapshotException error) when (error.Code is ErrorCode.Incompatible or ErrorCode.VerificationFailed)
        {
            return (null, JobError.From(error));
        }
    }

    private static ListedJob Begun(RepositoryJob job, JobState state) => new(
        job.Id.ToString(), state.Plan.Name, job.IsInterrupted ? JobPhase.Interrupted : state.Phase, state.Phase, state.Pass, state.Attempt, job.StoredBytes, Uris(state.Plan),
        NodesOf(state.Plan), state.Plan.Guests.Any(guest => guest.Node is null) ? job.Owner?.Host : null);

    private static ListedJob Submitted(JobPlan plan) => new(plan.JobId, plan.Name, JobPhase.Planned, JobPhase.Planned, 0, 0, 0, Uris(plan), NodesOf(plan));

    private static ListedJob Unreadable(string id, JobError problem, RepositoryJob? job = null)
    {
        var phase = job is { IsInterrupted: true } ? JobPhase.Interrupted : JobPhase.Planned;
        return new(id, null, phase, phase, 0, 0, job?.StoredBytes ?? 0, [], [], Problem: problem);
    }

    private static IReadOnlyList<string> Uris(JobPlan plan) => [.. plan.Guests.Select(guest => guest.Uri)];

    private static IReadOnlyList<string> NodesOf(JobPlan plan) => [.. plan.Guests.Select(guest => guest.Node).OfType<string>().Distinct()];
}
