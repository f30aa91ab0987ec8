namespace Cutpoint.Repository;

public sealed partial class DirectoryRepository
{
    /// <summary>The jobs that have not ended: those that run, and those whose process died.</summary>
    public Task<IReadOnlyList<RepositoryJob>> ListJobsAsync(CancellationToken cancellation) => Task.Run<IReadOnlyList<RepositoryJob>>(
        () =>
        {
            var packs = PackListing.Read(Paths.Packs).Packs.ToLookup(pack => pack.Job);
            return
            [
                .. Jobs.List().Select(job => new RepositoryJob(
                    job.Id, job.Owner, job.IsAlive, job.IsResumable, packs[job.Id].Sum(pack => PackListing.LengthOf(Paths.Packs, pack)))),
            ];
        },
        cancellation);

    /// <summary>
    /// Goes on with a checkpoint whose process died: what is durable of it stays, and guests of the same name and blocks start from it. When everything but
    /// the catalog was written, the checkpoint is made visible by this call: <see cref="CheckpointWriter.Committed"/>.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="options">What it wants; as it began.</param>
    /// <param name="cancellation">Cancels the call; the job stays interrupted.</param>
    /// <exception cref="SnapshotException">There is no such job (<see cref="ErrorCode.NotFound"/>), its process lives (<see cref="ErrorCode.Locked"/>), or
    /// the repository cannot be written.</exception>
    public Task<CheckpointWriter> ResumeAsync(Ulid job, CheckpointOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        ThrowIfReadOnly();
        return Task.Run(
            () =>
            {
                var registration = Jobs.Resume(job, options.Purpose);
                try
                {
                    var committed = Catalog.List().FirstOrDefault(one => one.Id == job);
                    var recovered = committed is null ? new JobRecovery(Paths, Id, Protection, registration).Run(cancellation) : null;
                    if (recovered?.Commit is { } commit)
                    {
                        Catalog.Commit(recovered.Packs, [commit], registration);
                        committed = commit.Info;
                    }
                    return new CheckpointWriter(this, options with { IsResumable = true }, registration, committed, recovered);
                }
                catch (Exception error)
                {
                    registration.Leave();
                    if (StorageError.IsStorage(error)) throw StorageError.Translate(error, Paths.Packs, "recover packs in");
                    throw;
                }
            },
            cancellation);
    }

    /// <summary>Ends a job whose process died, and removes what it stored, unread. When its checkpoint had come into being that stays.</summary>
    /// <param name="job">The job.</param>
    /// <param name="cancellation">Cancels the call before anything is removed.</param>
    /// <returns>True when its checkpoint is there.</returns>
    /// <exception cref="SnapshotException">There is no such job (<see cref="ErrorCode.NotFound"/>), its process lives (<see cref="ErrorCode.Locked"/>), or
    /// the repository cannot be written.</exception>
    public Task<bool> EndAsync(Ulid job, CancellationToken cancellation)
    {
        ThrowIfReadOnly();
        return Task.Run(
            () =>
            {
                var registration = Jobs.Resume(job, "cancel");
                try
                {
                    var isCommitted = Catalog.List().Any(one => one.Id == job);
                    // The newest first: a commit record never outlives the packs it needs.
                    var packs = PackListing.Read(Paths.Packs).Packs.Where(pack => pack.Job == job).OrderByDescending(pack => pack.Number);
                    if (!isCommitted)
                    {
                        foreach (var pack in packs) File.Delete(Path.Combine(Paths.Packs, pack.FileName));
                    }
                    Catalog.Unpin(job);
                    registration.Dispose();
                    return isCommitted;
                }
                catch (Exception error)
                {
                    registration.Leave();
                    if (StorageError.IsStorage(error)) throw StorageError.Translate(error, Paths.Packs, "remove packs in");
                    throw;
                }
            },
            cancellation);
    }
}
