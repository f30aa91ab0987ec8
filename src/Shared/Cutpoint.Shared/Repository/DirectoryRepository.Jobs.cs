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
                .. JobRegistration.List(Paths.Jobs).Select(job => new RepositoryJob(
                    job.Id, job.Owner, JobRegistration.IsAlive(Paths.Jobs, job.Id), JobRegistration.IsResumable(Paths.Jobs, job.Id),
                    packs[job.Id].Sum(pack => PackListing.LengthOf(Paths.Packs, pack)))),
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
                var registration = JobRegistration.Resume(Paths.Jobs, job, options.Purpose, _time);
                try
                {
                    var committed = Catalog.List().FirstOrDefault(one => one.Id == job);
                    var recovered = committed is null ? new JobRecovery(Paths, Id, Protection).Run(job, cancellation) : null;
                    if (recovered?.Commit is { } commit)
                    {
                        Catalog.Commit(recovered.Packs, [commit]);
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
}
