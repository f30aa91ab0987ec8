using System.Text.Json;
using Cutpoint.Compression;
using Cutpoint.Coordinator.Cluster;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// Takes a checkpoint with the coordinator in this process: joins it with the worker in it, or with those of other nodes, by their messages, with the
/// repository and the journal in it. Whatever ends the
/// process or the job's line, the job can be gone on with: it is over only when its journal says so.
/// </summary>
/// <param name="drivers">The kinds of guests known.</param>
/// <param name="repository">Where the checkpoint goes; not owned.</param>
/// <param name="database">Where the journals of its jobs are; not owned.</param>
/// <param name="nodes">Finds the nodes a plan names.</param>
/// <param name="secret">The secret of the nodes of the cluster, or null where there is none.</param>
/// <param name="progress">Told how it goes, or null.</param>
/// <param name="time">The clock.</param>
internal sealed class TakeJob(
    IReadOnlyList<IGuestDriver> drivers, DirectoryRepository repository, Database database, NodeDirectory nodes, NodeSecret? secret, IProgress<JobProgress>? progress,
    TimeProvider time)
{
    /// <summary>Runs a new job to its end.</summary>
    /// <param name="plan">What to take; its <see cref="JobPlan.JobId"/> is set by the repository.</param>
    /// <param name="cancellation">Cancels the job; this throws when every guest is put back.</param>
    /// <param name="ending">Cancelled first when the process is to end and the job may be gone on with.</param>
    /// <returns>The checkpoint, committed, and the job with its passes, votes and cuts.</returns>
    /// <exception cref="SnapshotException">There is no checkpoint, and every guest is as it was.</exception>
    public async Task<(CheckpointInfo Checkpoint, JobState Job)> RunAsync(JobPlan plan, CancellationToken cancellation, CancellationToken ending)
    {
        plan.Check();
        CheckSecret(IsOfSeveralNodes(plan));
        var start = await CaptureBase.ResolveAsync(repository, plan.Base, cancellation);
        var addresses = await nodes.FindAsync(NodesOf(plan), cancellation);
        var open = await repository.ListJobsAsync(cancellation);
        await using var writer = await repository.BeginAsync(Options(plan), cancellation);
        plan = In(writer, plan with { JobId = writer.Id.ToString() });
        var journal = await JobJournal.CreateAsync(database, plan.JobId, open.Select(job => job.Id.ToString()), cancellation);
        return await RunAsync(writer, start, addresses, JobState.New(plan), (host, over, stopping) => host.RunAsync(plan, over, stopping), journal, cancellation, ending);
    }

    /// <summary>Begins a job that was submitted, and runs it to its end. One that nobody can run is over then, and its journal says why.</summary>
    /// <inheritdoc cref="RunAsync(JobPlan, CancellationToken, CancellationToken)"/>
    public async Task<(CheckpointInfo Checkpoint, JobState Job)> BeginAsync(Ulid job, CancellationToken cancellation, CancellationToken ending)
    {
        var (journal, state) = await SubmittedAsync(job, cancellation);
        // Another process may have it.
        CheckSecret(IsOfSeveralNodes(state.Plan));
        CaptureBase start;
        IReadOnlyDictionary<string, NodeAddress> addresses;
        try
        {
            state.Plan.Check();
            start = await CaptureBase.ResolveAsync(repository, state.Plan.Base, cancellation);
            addresses = await nodes.FindAsync(NodesOf(state.Plan), cancellation);
        }
        catch (SnapshotException error) when (!error.IsTransient)
        {
            await JobHost.ConcludeAsync(state, journal, new AbandonJob(JobError.From(error)));
            throw;
        }
        await JobJournal.ForgetAsync(database, (await repository.ListJobsAsync(cancellation)).Select(open => open.Id.ToString()).Append(job.ToString()), cancellation);
        await using var writer = await repository.BeginAsync(Options(state.Plan) with { Id = job }, cancellation);
        // It may have been begun, and be over, since it was looked at; from here on nobody else can begin it.
        (journal, state) = await SubmittedAsync(job, cancellation);
        state = state with { Plan = In(writer, state.Plan) };
        return await RunAsync(writer, start, addresses, state, (host, over, stopping) => host.BeginAsync(state, over, stopping), journal, cancellation, ending);
    }

    /// <summary>Goes on with a job whose process died, to its end.</summary>
    /// <inheritdoc cref="RunAsync(JobPlan, CancellationToken, CancellationToken)"/>
    public async Task<(CheckpointInfo Checkpoint, JobState Job)> ResumeAsync(Ulid job, CancellationToken cancellation, CancellationToken ending)
    {
        var (journal, state) = await JobJournal.ResumeAsync(database, job.ToString(), cancellation) ?? throw JobSelection.NotFound(job.ToString());
        if (state.Phase == JobPhase.Committed && (await repository.ListAsync(cancellation)).FirstOrDefault(one => one.Id == job) is { } there)
        {
            await CancelAsync(job, cancellation);
            return (there, state);
        }
        if (state is { Phase: JobPhase.Aborted, Error: { } reason })
        {
            await CancelAsync(job, cancellation);
            throw new SnapshotException(ErrorCode.NotFound, $"job {job} is over: {reason.Message}", "take a new checkpoint");
        }
        CheckSecret(IsOfSeveralNodes(state.Plan));
        var addresses = await nodes.FindAsync(NodesOf(state.Plan), cancellation);
        await using var writer = await repository.ResumeAsync(job, Options(state.Plan), cancellation);
        if (writer.Committed is { } committed)
            return (committed, await JobHost.ConcludeAsync(state, journal, new CheckpointFound()));
        await OverlayNotes.MergeAsync(repository, time, cancellation, own: state.Plan.JobId);
        state = state with { Plan = In(writer, state.Plan) };
        var start = await BaseAsync(state.Plan, cancellation);
        return await RunAsync(
            writer, start, addresses, state with { Attempt = state.Attempt + 1 }, (host, over, stopping) => host.ResumeAsync(state, over, stopping), journal, cancellation, ending);
    }

    /// <summary>Ends a job whose process died, and removes what is left of it. One that is over stays as it ended.</summary>
    /// <returns>How it ended.</returns>
    public async Task<JobPhase> CancelAsync(Ulid job, CancellationToken cancellation)
    {
        (JobJournal Journal, JobState State)? journalled = null;
        var isUnreadable = false;
        try
        {
            journalled = await JobJournal.ResumeAsync(database, job.ToString(), cancellation);
        }
        catch (SnapshotException error) when (error.Code is ErrorCode.Incompatible or ErrorCode.VerificationFailed)
        {
            isUnreadable = true;
        }
        var isOpen = (await repository.ListJobsAsync(cancellation)).Any(open => open.Id == job && open.IsResumable);
        if (!isOpen && journalled is null && !isUnreadable) throw JobSelection.NotFound(job.ToString());
        // Killed before it stored anything: only its journal has to be told.
        var isCommitted = isOpen && await repository.EndAsync(job, cancellation);
        if (journalled is { } known) return (await JobHost.ConcludeAsync(known.State, known.Journal, isCommitted ? new CheckpointFound() : Cancelled(job))).Phase;
        if (isUnreadable) await JobJournal.CloseAsync(database, job.ToString(), Cancelled(job).Error, cancellation);
        return isCommitted ? JobPhase.Committed : JobPhase.Aborted;
    }

    /// <summary>Why a job cannot be run by this process now; null when nothing is known against it.</summary>
    public async Task<SnapshotException?> HindranceAsync(ListedJob job, CancellationToken cancellation)
    {
        try
        {
            CheckSecret(job.Nodes.Count > 0);
            // One that was submitted is ended by whoever begins it when its node is not there: perhaps it never was.
            if (job.IsInterrupted) await nodes.FindAsync(job.Nodes, cancellation);
            return null;
        }
        catch (SnapshotException error) when (!error.IsTransient)
        {
            return error;
        }
    }

    private async Task<(JobJournal Journal, JobState State)> SubmittedAsync(Ulid job, CancellationToken cancellation)
    {
        var known = await JobJournal.ResumeAsync(database, job.ToString(), cancellation) ?? throw JobSelection.NotFound(job.ToString());
        return known.State.Phase == JobPhase.Planned ? known : throw new SnapshotException(
            ErrorCode.Locked, $"job {job} was begun by another process", $"follow it with 'cutpoint watch {job}'") { IsPreflight = true, IsTransient = true };
    }

    private static AbandonJob Cancelled(Ulid job) => new(new JobError(ErrorCode.Cancelled, $"job {job} was cancelled"));

    private async Task<(CheckpointInfo Checkpoint, JobState Job)> RunAsync(
        CheckpointWriter writer, CaptureBase start, IReadOnlyDictionary<string, NodeAddress> addresses, JobState begun,
        Func<JobHost, CancellationToken, CancellationToken, Task<JobState>> run, IJobJournal journal, CancellationToken cancellation, CancellationToken ending)
    {
        // A job whose lease is lost ends here as when the process is to end: another goes on with it.
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(ending, writer.Lost);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, stopping.Token);
        var commit = new WriterCommit(writer);
        JobState job;
        try
        {
            await using var worker = new CaptureWorker(
                drivers,
                async (guest, token) => await start.OpenAsync(writer, guest, token),
                progress,
                time);
            await using var fleet = Fleet(worker, writer, start, addresses, begun);
            job = await run(new JobHost(fleet ?? (IWorkerPort)worker, commit, journal, progress), over.Token, stopping.Token);
        }
        catch
        {
            // The journal does not say that the job is over, so it is not.
            await writer.LeaveAsync();
            throw;
        }
        if (job.Phase == JobPhase.Interrupted)
        {
            await writer.LeaveAsync();
            writer.CheckOwned();
        }
        if (job.Error is { } error)
        {
            // By a signal, or by another process: both are told in the same words.
            if (error.Code == ErrorCode.Cancelled) throw new OperationCanceledException(cancellation);
            if (job.Phase != JobPhase.Interrupted) cancellation.ThrowIfCancellationRequested();
            throw error.ToException();
        }
        return (commit.Checkpoint!, job);
    }

    /// <summary>The workers of a job, when there are others than that of this process.</summary>
    private WorkerFleet? Fleet(
        CaptureWorker local, CheckpointWriter writer, CaptureBase start, IReadOnlyDictionary<string, NodeAddress> addresses, JobState begun) => IsOfSeveralNodes(begun.Plan) ? new WorkerFleet(local, new WorkerLines
    {
        Plan = begun.Plan,
        Addresses = addresses,
        Epoch = begun.Attempt,
        Secret = secret!,
        OpenStore = (guest, token) => start.OpenAsync(writer, guest, token),
        Missing = (ids, token) => OverlayNotes.MissingAsync(repository, database, ids, begun.Plan.JobId, token),
        Progress = progress,
        Time = time,
    }) : null;

    private static IEnumerable<string> NodesOf(JobPlan plan) => plan.Guests.Select(guest => guest.Node).OfType<string>();

    private static bool IsOfSeveralNodes(JobPlan plan) => NodesOf(plan).Any();

    private void CheckSecret(bool isNeeded)
    {
        if (secret is null && isNeeded)
        {
            throw new SnapshotException(
                ErrorCode.NotAuthorised, "the secret of the nodes that serve the guests is not named", "name its file with --secret-file, or set CUTPOINT_SECRET_FILE") { IsPreflight = true };
        }
    }

    /// <summary>The base of a job that is gone on with. One that was forgotten meanwhile is done without: its pages are stored again.</summary>
    private async Task<CaptureBase> BaseAsync(JobPlan plan, CancellationToken cancellation)
    {
        try
        {
            return await CaptureBase.ResolveAsync(repository, plan.Base, cancellation);
        }
        catch (SnapshotException error) when (error.Code == ErrorCode.NotFound)
        {
            return await CaptureBase.ResolveAsync(repository, JobPlan.NoBase, cancellation);
        }
    }

    private JobPlan In(CheckpointWriter writer, JobPlan plan) => plan with
    {
        Options = plan.Options with { ScratchDirectory = writer.ScratchDirectory, Repository = OverlayUpkeep.NameOf(repository), Checkpoint = writer.Id.ToString() },
    };

    private static CheckpointOptions Options(JobPlan plan) =>
        new() { Name = plan.Name, Labels = plan.Labels, Codec = Codec.Parse(plan.Codec), IsResumable = true };

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
