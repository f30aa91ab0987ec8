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

    /// <summary>Removes packs that no checkpoint needs and what dead jobs left, and rewrites packs of which little is needed. Safe beside running jobs and
    /// readers.</summary>
    /// <param name="dryRun">True to say only what would be removed.</param>
    /// <param name="cancellation">Cancels the call; what was removed by then stays removed.</param>
    /// <exception cref="SnapshotException">Another collection runs (<see cref="ErrorCode.Locked"/>).</exception>
    public Task<GcReport> CollectGarbageAsync(bool dryRun, CancellationToken cancellation) =>
        CollectGarbageAsync(new GcOptions { IsDryRun = dryRun }, cancellation);

    /// <summary>The same, with more to say about it.</summary>
    public Task<GcReport> CollectGarbageAsync(GcOptions options, CancellationToken cancellation) => Task.Run(
        () =>
        {
            ArgumentNullException.ThrowIfNull(options);
            ThrowIfReadOnly();
            using var alone = _locks.TakeCollection();
            using var job = Jobs.Create("gc");
            return new GarbageCollection(this, job, options).Run(cancellation);
        },
        cancellation);

    /// <summary>Looks at everything but the contents of packs: leftovers, torn tails, what the catalog says against what is
    /// there.</summary>
    public Task<IReadOnlyList<DoctorFinding>> ExamineAsync(CancellationToken cancellation) =>
        Task.Run(() => new RepositoryDoctor(Paths, Id, Jobs, _locks, Catalog, Protection, _time).Run(cancellation), cancellation);

    /// <summary>Looks at an encrypted repository without its key: the structure of its packs, jobs, locks and modes.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), or it is not encrypted (<see cref="ErrorCode.Usage"/>).</exception>
    public static Task<IReadOnlyList<DoctorFinding>> ExamineStructureAsync(RepositoryLocation location, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        var file = RepositoryFile.Read(location.Directory);
        file.CheckKind(location);
        if (!file.IsSealed) throw new SnapshotException(ErrorCode.Usage, $"the repository {location} is not encrypted", "open it") { IsPreflight = true };
        var paths = new RepositoryPaths(location.Directory, true);
        return Task.Run(
            () =>
            {
                // Jobs and locks need no key.
                using var catalog = location.Database is { } database ? PostgresCatalog.Open(database, file.RepositoryId, isSealed: true, time) : null;
                using RepositoryLocks locks = catalog is null ? new FileLocks(paths, time) : new DatabaseLocks(catalog);
                JobRegistry jobs = catalog is null ? new FileJobs(paths.Jobs, time) : new LeasedJobs(catalog, paths.Jobs, time);
                return new RepositoryDoctor(paths, file.RepositoryId, jobs, locks, null, null, time).Run(cancellation);
            },
            cancellation);
    }

    /// <summary>
    /// Reads every octet of the packs that checkpoints need and checks every digest and page hash, the manifests, and the catalog against
    /// them.
    /// </summary>
    /// <param name="options">What is verified.</param>
    /// <param name="progress">Told how many octets were read of how many.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public Task<VerifyReport> VerifyAsync(VerifyOptions options, IProgress<VerifyProgress>? progress, CancellationToken cancellation) => Task.Run(
        () =>
        {
            ArgumentNullException.ThrowIfNull(options);
            using var verification = new RepositoryVerification(this, options, progress);
            return verification.Run(cancellation);
        },
        cancellation);

    /// <summary>
    /// Rebuilds the catalog from the packs. A file is kept beside it as <c>catalog.db.damaged</c>; the tables of a database are filled anew. Torn tails of packs are cut.
    /// </summary>
    /// <exception cref="SnapshotException">Somebody has the repository open (<see cref="ErrorCode.Locked"/>).</exception>
    public static Task<RepairReport> RepairAsync(RepositoryLocation location, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        return Task.Run(
            () =>
            {
                var file = RepositoryFile.Read(location.Directory);
                file.CheckKind(location);
                var key = file.Unlock(location);
                var paths = new RepositoryPaths(location.Directory, file.IsSealed);
                if (location.Database is { } database) return RepairInDatabase(database, paths, file, key, time, cancellation);
                using var alone = FileLocks.TakeAlone(paths, time);
                paths.CreateAll();
                return new CatalogRepair(paths, file.RepositoryId, key).Run(
                    (packs, commits) => SqliteCatalog.Replace(paths, key, packs, commits), cancellation);
            },
            cancellation);
    }

    private static RepairReport RepairInDatabase(
        RepositoryDatabase database, RepositoryPaths paths, RepositoryFile file, DataKey? key, TimeProvider time, CancellationToken cancellation)
    {
        using var connection = PostgresCatalog.OpenForRepair(database, file.RepositoryId, file.IsSealed, time);
        // A host that is out of touch has lost its lock, but not yet its lease.
        if (new LeasedJobs(connection, paths.Jobs, time).List().FirstOrDefault(job => job.IsAlive) is { } job)
        {
            throw new SnapshotException(
                ErrorCode.Locked, $"the repository is in use by job {job.Id}: {job.Owner?.ToString() ?? "an unknown process"}", "wait until it has ended, then try again")
            {
                IsTransient = true, IsPreflight = true,
            };
        }
        connection.Supersede();
        paths.CreateAll();
        return new CatalogRepair(paths, file.RepositoryId, key).Run(Rebuild, cancellation);

        void Rebuild(IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits)
        {
            if (key is null)
            {
                using var catalog = new Catalog(connection);
                catalog.Rebuild(packs, commits);
                return;
            }
            using var rows = new SealedRows(connection, key);
            rows.InTurn(() =>
            {
                SqliteCatalog.Replace(rows, packs, commits);
                return true;
            });
        }
    }
}
