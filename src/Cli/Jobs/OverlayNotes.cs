using Cutpoint.Durability;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Cli.Jobs;

/// <summary>Merges back the overlays no checkpoint needs any more, on the way of verbs that are about something else, and says so on standard error.</summary>
internal static class OverlayNotes
{
    /// <summary>Merges what can be merged. That one cannot be keeps nobody from the others, nor from what the verb is about.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the work; what is merged by half is gone on with by the next one.</param>
    /// <param name="own">The job that does it before its cut: what those who ran it before have left is of no use to it.</param>
    public static async Task MergeAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation, string? own = null)
    {
        try
        {
            foreach (var outcome in await RunAsync(repository, time, cancellation, own)) await Console.Error.WriteLineAsync($"cutpoint: note: {outcome}");
        }
        catch (SnapshotException unreadable)
        {
            await Console.Error.WriteLineAsync($"cutpoint: note: {Text(unreadable)}");
        }
    }

    /// <summary>Merges what can be merged, and returns what has become of it.</summary>
    /// <inheritdoc cref="MergeAsync"/>
    public static Task<IReadOnlyList<OverlayOutcome>> RunAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation, string? own = null) =>
        new OverlayUpkeep(new OverlayLedger(), time).RunAsync(
            OverlayUpkeep.NameOf(repository),
            async ids =>
            {
                await using var database = await JobDatabase.TryOpenAsync(repository, time, cancellation);
                return await MissingAsync(repository, database, ids, own, cancellation);
            },
            repository.RunDirectory, cancellation);

    /// <summary>Has standing coordinators of a repository tell its workers that checkpoints were forgotten: what they merge is on their hosts.</summary>
    public static async Task TellCoordinatorsAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation)
    {
        if (repository.DatabaseConnectionString is null) return;
        await using var database = await JobDatabase.OpenAsync(repository, time, cancellation);
        await OverlayRounds.AskAsync(database, cancellation);
    }

    /// <summary>
    /// Which of some checkpoints are not in a repository, and cannot come into being: no job that is at work makes them, and none that died when all but the end
    /// of its commit was done. Other jobs make their cuts anew.
    /// </summary>
    /// <param name="repository">The repository.</param>
    /// <param name="database">Where the journals of its jobs are; null where there are none.</param>
    /// <param name="ids">The checkpoints.</param>
    /// <param name="own">The job that asks, which has made no cut yet; null for none.</param>
    /// <param name="cancellation">Ends the look.</param>
    public static async Task<IReadOnlySet<string>> MissingAsync(
        DirectoryRepository repository, Database? database, IReadOnlyList<string> ids, string? own, CancellationToken cancellation)
    {
        // The jobs first: one that commits between the two looks is in the list of checkpoints.
        var jobs = await ListedJob.ReadAsync(repository, database, cancellation);
        var alive = jobs.Where(job => job.Id != own && (!job.IsInterrupted || job.Problem is not null || job.LastPhase == JobPhase.Committing)).Select(job => job.Id);
        var there = (await repository.ListAsync(cancellation)).Select(checkpoint => checkpoint.Id.ToString());
        return ids.Except([.. alive, .. there]).ToHashSet();
    }

    private static string Text(SnapshotException problem) => $"{problem.Message}{(problem.Advice is null ? "" : $" — {problem.Advice}")}";
}
