using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Coordinator.Cluster;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Ends a job, wherever it runs, and removes what it stored.</summary>
internal static class CancelCommand
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    public static Command Create() => JobVerb.Create(
        "cancel", "End a job that runs or was interrupted; its guests run on, and what it stored is removed", "cutpoint cancel 01M7Z7T4T6PEQ3EQHC0YDK27FX",
        RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, DirectoryRepository repository, Ulid job, CancellationToken cancellation)
    {
        var time = TimeProvider.System;
        var phase = await EndAsync(repository, job, time, cancellation);
        await OverlayNotes.MergeAsync(repository, time, cancellation);
        var result = new CancelResult(job.ToString(), phase);
        if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(result, JsonOutput.Types.CancelResult);
        else if (phase != JobPhase.Committed) Console.Out.WriteLine($"job {job} is cancelled");
        if (phase != JobPhase.Committed) return 0;
        throw new SnapshotException(ErrorCode.Failed, $"job {job} has ended: its checkpoint is there", $"'cutpoint forget {job}' takes it off the list");
    }

    private static async Task<JobPhase> EndAsync(DirectoryRepository repository, Ulid job, TimeProvider time, CancellationToken cancellation)
    {
        await using var database = await JobDatabase.OpenAsync(repository, time, cancellation);
        for (var isAsked = false; ; await Task.Delay(PollInterval, time, cancellation))
        {
            if ((await repository.ListJobsAsync(cancellation)).Any(open => open.Id == job && open.IsRunning))
            {
                // It puts its guests back first, however long that takes; should it die meanwhile, its end is ours to write.
                if (!isAsked) await JobJournal.SendCancelAsync(database, job.ToString(), cancellation);
                isAsked = true;
                continue;
            }
            try
            {
                return await new TakeJob([], repository, database, new NodeDirectory(null), null, null, time).CancelAsync(job, cancellation);
            }
            catch (SnapshotException error) when (error is FencedException or { Code: ErrorCode.Locked, IsPreflight: true })
            {
                // Another process has begun it, or goes on with it, since it was looked at: that one is asked.
            }
        }
    }
}

/// <summary>What cancel prints.</summary>
internal sealed record CancelResult(string Id, JobPhase Phase);
