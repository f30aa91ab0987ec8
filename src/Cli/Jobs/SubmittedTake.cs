using System.CommandLine;
using Cutpoint.Cli.Commands;
using Cutpoint.Cli.Output;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// A take that is done by a coordinator node: its plan goes into the repository's database, and its journal there is followed to its end. Only the database is
/// needed for that, and the key of an encrypted repository; whoever has the packs too is shown the checkpoint as after any take.
/// </summary>
internal static class SubmittedTake
{
    /// <summary>Submits a take, and follows it unless it is to be left alone.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(ParseResult parsed, JobPlan plan, bool isDetached, CancellationToken cancellation)
    {
        var time = TimeProvider.System;
        var json = parsed.GetValue(CommonOptions.Json);
        var started = time.GetTimestamp();
        plan = plan with { JobId = Ulid.Create(time).ToString() };
        Check(plan);
        await using var database = await OpenAsync(parsed, time, cancellation);
        await JobJournal.SubmitAsync(database, plan, cancellation);
        if (!(await new NodeRegistry(database).ListAsync(cancellation)).Exists(node => node.IsAlive && node.Has(NodeCommand.CoordinatorRole)))
        {
            await Console.Error.WriteLineAsync(
                $"cutpoint: note: no coordinator is registered in {database.Name}; job {plan.JobId} waits for one — 'cutpoint node --roles coordinator' with this repository begins it");
        }
        if (isDetached)
        {
            if (json) JsonOutput.Write(new SubmittedJob(plan.JobId, plan.Name), JsonOutput.Types.SubmittedJob);
            else Console.Out.WriteLine($"job {plan.JobId} is submitted; 'cutpoint watch {plan.JobId}' follows it");
            return 0;
        }
        JobState ended;
        using (var progress = new ProgressView(json, time)) ended = await FollowAsync(new JobFollower(database, plan.JobId, progress, time), database, plan.JobId, cancellation);
        if (ended.Phase == JobPhase.Interrupted)
        {
            throw new SnapshotException(
                ErrorCode.Interrupted, ended.Error!.Message, $"coordinators go on with it when they can; 'cutpoint watch {plan.JobId}' follows it, 'cutpoint cancel {plan.JobId}' removes it");
        }
        if (ended.Error is { } error) throw error.Code == ErrorCode.Cancelled ? new OperationCanceledException(cancellation) : error.ToException();
        return await ShowAsync(parsed, ended, time.GetElapsedTime(started));
    }

    private static async Task<JobState> FollowAsync(JobFollower follower, Database database, string job, CancellationToken cancellation)
    {
        try
        {
            return await follower.FollowAsync(cancellation);
        }
        catch (OperationCanceledException) when (Interrupt.Ending.IsCancellationRequested)
        {
            throw new SnapshotException(ErrorCode.Interrupted, $"job {job} goes on without this process", $"'cutpoint watch {job}' follows it, 'cutpoint cancel {job}' ends it");
        }
        catch (OperationCanceledException)
        {
            if (await TryAbandonAsync(database, job) is { } abandoned) return abandoned;
            await JobJournal.SendCancelAsync(database, job, CancellationToken.None);
            return await follower.FollowAsync(CancellationToken.None);
        }
    }

    /// <summary>Ends a job that nobody has begun; null when somebody has.</summary>
    private static async Task<JobState?> TryAbandonAsync(Database database, string job)
    {
        if (await JobJournal.ResumeAsync(database, job, CancellationToken.None) is not { State.Phase: JobPhase.Planned } known) return null;
        try
        {
            return await JobHost.ConcludeAsync(known.State, known.Journal, new AbandonJob(new JobError(ErrorCode.Cancelled, $"job {job} was cancelled")));
        }
        catch (FencedException)
        {
            return null;
        }
    }

    private static async Task<int> ShowAsync(ParseResult parsed, JobState job, TimeSpan elapsed)
    {
        var json = parsed.GetValue(CommonOptions.Json);
        try
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, CancellationToken.None);
            return await TakeCommand.ShowAsync(repository, await repository.ResolveAsync(job.Plan.JobId, CancellationToken.None), json, elapsed);
        }
        catch (SnapshotException)
        {
            // The checkpoint is there all the same; what is not is the way to its packs from here.
            if (json) JsonOutput.Write(new SubmittedJob(job.Plan.JobId, job.Plan.Name), JsonOutput.Types.SubmittedJob);
            else Console.Out.WriteLine($"checkpoint {job.Plan.JobId}{(job.Plan.Name is null ? "" : $" '{job.Plan.Name}'")} in {Quantity.Time(elapsed)}; its packs cannot be read from here");
            return job.MissingCount > 0 ? (int)ErrorCode.PartialGroup : 0;
        }
    }

    private static void Check(JobPlan plan)
    {
        plan.Check();
        if (plan.Guests.FirstOrDefault(guest => guest.Node is null) is { } local)
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"'{local.Uri}' names no node, and a coordinator does not know which machine is meant", $"write //NODE/{local.Uri}") { IsPreflight = true };
        }
    }

    private static Task<PostgresDatabase> OpenAsync(ParseResult parsed, TimeProvider time, CancellationToken cancellation) =>
        parsed.GetValue(CommonOptions.Repository)!.Database is { } database
            ? PostgresDatabase.OpenAsync(database.ConnectionString, time, cancellation, DirectoryRepository.OpenTextCipher(RepositoryAccess.Location(parsed)))
            : throw new SnapshotException(
                ErrorCode.Usage, "a take can be submitted only to a repository in PostgreSQL", "name one with --repository 'postgres://user@host/db?packs=DIR'") { IsPreflight = true };
}

/// <summary>What take --submit prints of a job it does not follow, or of a checkpoint whose packs cannot be read.</summary>
internal sealed record SubmittedJob(string Id, string? Name);
