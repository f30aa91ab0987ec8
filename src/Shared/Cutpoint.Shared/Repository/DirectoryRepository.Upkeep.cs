namespace Cutpoint.Repository;

public sealed partial class DirectoryRepository
{
    /// <summary>
    /// Takes a checkpoint out of the listing. Its octets go with the next collection, as far as no other checkpoint needs them.
    /// </summary>
    /// <exception cref="SnapshotException">It is not there (<see cref="ErrorCode.NotFound"/>).</exception>
    public async ValueTask ForgetAsync(Ulid checkpoint, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        ThrowIfReadOnly();
        if ((await ListAsync(cancellation).ConfigureAwait(false)).All(other => other.Id != checkpoint))
            throw new SnapshotException(
                ErrorCode.NotFound, $"there is no checkpoint {checkpoint}", "look at 'cutpoint list'") { IsPreflight = true };
        try
        {
            // First a mark that a repair heeds, since the packs go on telling of the checkpoint.
            PosixFile.WriteAtomically(Path.Combine(Paths.Forgotten, checkpoint.ToString()), []);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, Paths.Forgotten, "write");
        }
        Catalog.Remove(checkpoint);
    }

    /// <summary>Removes packs that no checkpoint needs, and what dead jobs left. Safe beside running jobs and readers.</summary>
    /// <param name="dryRun">True to say only what would be removed.</param>
    /// <param name="cancellation">Cancels the call before it removes anything.</param>
    /// <exception cref="SnapshotException">Another collection runs (<see cref="ErrorCode.Locked"/>).</exception>
    public Task<GcReport> CollectGarbageAsync(bool dryRun, CancellationToken cancellation) => Task.Run(
        () =>
        {
            ThrowIfReadOnly();
            using var alone = RepositoryLock.Take(Paths.CollectionLock, "gc", "garbage is being collected", _time);
            return new GarbageCollection(Paths, Catalog).Run(dryRun, cancellation);
        },
        cancellation);

    /// <summary>Looks at everything but the contents of packs: leftovers, torn tails, what the catalog says against what is
    /// there.</summary>
    public Task<IReadOnlyList<DoctorFinding>> ExamineAsync(CancellationToken cancellation) =>
        Task.Run(() => new RepositoryDoctor(Paths, Id, Catalog).Run(cancellation), cancellation);

    /// <summary>
    /// Reads every octet of the packs that checkpoints need and checks every digest and page hash, the manifests, and the catalog against
    /// them.
    /// </summary>
    /// <param name="checkpoints">The checkpoints, or null for the whole repository.</param>
    /// <param name="sample">Which part of the sections to read, or null for all.</param>
    /// <param name="progress">Told how many octets were read of how many.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public Task<VerifyReport> VerifyAsync(
        IReadOnlyList<CheckpointInfo>? checkpoints, VerifySample? sample, IProgress<VerifyProgress>? progress, CancellationToken cancellation) =>
        Task.Run(
        () =>
        {
            using var verification = new RepositoryVerification(this, sample, progress);
            return verification.Run(checkpoints, cancellation);
        },
        cancellation);

    /// <summary>
    /// Rebuilds the catalog from the packs. The old one is kept beside it as <c>catalog.db.damaged</c>. Torn tails of packs are cut.
    /// </summary>
    /// <exception cref="SnapshotException">Somebody has the repository open (<see cref="ErrorCode.Locked"/>).</exception>
    public static Task<RepairReport> RepairAsync(RepositoryLocation location, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        return Task.Run(
            () =>
            {
                var paths = new RepositoryPaths(location.Directory);
                var file = RepositoryFile.Read(paths.Root);
                using var alone = RepositoryLock.Take(paths.UseLock, "repair", "the repository is in use", time);
                paths.CreateAll();
                return new CatalogRepair(paths, file).Run(cancellation);
            },
            cancellation);
    }
}
