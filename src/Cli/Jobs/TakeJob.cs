using System.Text.Json;
using Cutpoint.Compression;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Cli.Jobs;

/// <summary>Takes a checkpoint with coordinator and worker in this process: joins the two by their messages and the repository.</summary>
internal static class TakeJob
{
    /// <summary>Runs the job to its end.</summary>
    /// <param name="plan">What to take; its <see cref="JobPlan.JobId"/> is set by the repository.</param>
    /// <param name="drivers">The kinds of guests known.</param>
    /// <param name="repository">Where the checkpoint goes.</param>
    /// <param name="progress">Told how it goes, or null.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Cancels the job; this throws when every guest is put back.</param>
    /// <returns>The checkpoint, committed, and the job with its passes, votes and cuts.</returns>
    /// <exception cref="SnapshotException">There is no checkpoint, and every guest is as it was.</exception>
    public static async Task<(CheckpointInfo Checkpoint, JobState Job)> RunAsync(
        JobPlan plan, IEnumerable<IGuestDriver> drivers, DirectoryRepository repository, IProgress<JobProgress>? progress, TimeProvider time,
        CancellationToken cancellation)
    {
        plan.Check();
        var start = await CaptureBase.ResolveAsync(repository, plan.Base, cancellation);
        var options = new CheckpointOptions { Name = plan.Name, Labels = plan.Labels, Codec = Codec.Parse(plan.Codec) };
        await using var writer = await repository.BeginAsync(options, cancellation);
        plan = plan with
        {
            JobId = writer.Id.ToString(),
            Options = plan.Options with { ScratchDirectory = plan.Options.ScratchDirectory ?? writer.ScratchDirectory },
        };
        var commit = new WriterCommit(writer);
        await using var worker = new CaptureWorker(
            drivers,
            (guest, token) => start.OpenAsync(writer, guest, token),
            progress,
            time);
        var job = await new JobHost(worker, commit, progress).RunAsync(plan, cancellation);
        if (job.Error is { } error)
        {
            cancellation.ThrowIfCancellationRequested();
            throw error.ToException();
        }
        return (commit.Checkpoint!, job);
    }

    private sealed class WriterCommit(CheckpointWriter writer) : IJobCommit
    {
        public CheckpointInfo? Checkpoint { get; private set; }

        public async Task CommitAsync(JobState job, CancellationToken cancellation)
        {
            await writer.ChooseGuestsAsync([.. job.Present.Select(guest => guest.Name)], cancellation);
            writer.Record = JsonSerializer.Serialize(job.Record, JobJson.Default.JobRecord);
            Checkpoint = await writer.CommitAsync(cancellation);
        }

        // A writer that is disposed without a commit removes what it wrote.
        public Task DiscardAsync(JobState job) => Task.CompletedTask;
    }
}
