using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>
/// A repository in a directory: packs, and a catalog in SQLite beside them, which any number of processes of one machine may use at once; or in PostgreSQL, for
/// processes on any host that sees the directory. docs/formats/repository.md says what waits for what. Safe for concurrent use.
/// </summary>
public sealed partial class DirectoryRepository : IAsyncDisposable
{
    /// <summary>The table in PostgreSQL that only encrypted repositories have.</summary>
    public const string SealedTable = $"{PostgresCatalog.Schema}.sealed";

    private readonly TimeProvider _time;
    private readonly RepositoryLocks _locks;

    private DirectoryRepository(
        RepositoryPaths paths, RepositoryFile file, DataKey? key, bool isReadOnly, RepositoryLocks locks, JobRegistry jobs, CatalogConnection catalog, TimeProvider time)
    {
        _time = time;
        _locks = locks;
        Jobs = jobs;
        Paths = paths;
        IsReadOnly = isReadOnly;
        Id = file.RepositoryId;
        Hasher = new PageHasher(file.HashSecret ?? key!.HashSecret());
        Identity = key is null ? SectionIdentity.Plain : SectionIdentity.Keyed(key);
        Protection = key is null ? null : new PackProtection(key);
        TextCipher = key is null ? null : CreateTextCipher(key);
        Catalog = new Catalog(catalog);
    }

    /// <summary>The repository's name for programs.</summary>
    public Ulid Id { get; }

    /// <summary>Absolute path of the directory.</summary>
    public string Directory => Paths.Root;

    /// <summary>The database that has the catalog, as a connection string of Npgsql; null when the directory has it. May hold a password.</summary>
    public string? DatabaseConnectionString { get; private init; }

    /// <summary>Where RAM files of restored guests lie. Exists unless the repository is read-only.</summary>
    public string RunDirectory => Paths.Run;

    /// <summary>True when the directory cannot be written: checkpoints can be read, nothing else.</summary>
    public bool IsReadOnly { get; }

    /// <summary>Hashes pages under the repository's secret; the hashes of every chunk that is stored come from it.</summary>
    public PageHasher Hasher { get; }

    /// <summary>True when nobody without the key can read it.</summary>
    public bool IsEncrypted => Protection is not null;

    /// <summary>Encrypts what is kept beside the packs, such as the journal of the jobs; null when the repository is not encrypted.</summary>
    public TextCipher? TextCipher { get; }

    /// <summary>How sections are identified.</summary>
    internal SectionIdentity Identity { get; }

    /// <summary>What opens the packs of an encrypted repository; null in another.</summary>
    internal PackProtection? Protection { get; }

    internal RepositoryPaths Paths { get; }

    internal Catalog Catalog { get; }

    /// <summary>The jobs that have not ended.</summary>
    internal JobRegistry Jobs { get; }

    internal DateTimeOffset Now => DateTimeOffset.FromUnixTimeMilliseconds(_time.GetUtcNow().ToUnixTimeMilliseconds());

    /// <summary>
    /// Creates a repository and opens it; an encrypted one when the location has a key, for its life. The directory is created when it is not there; else it must be empty.
    /// </summary>
    /// <exception cref="SnapshotException">The directory is in use or cannot be written.</exception>
    public static async ValueTask<DirectoryRepository> InitAsync(
        RepositoryLocation location, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        cancellation.ThrowIfCancellationRequested();
        var paths = new RepositoryPaths(location.Directory, location.Key is not null);
        try
        {
            if (System.IO.Directory.Exists(paths.Root) && System.IO.Directory.EnumerateFileSystemEntries(paths.Root).Any())
            {
                throw new SnapshotException(
                    ErrorCode.Usage, $"{paths.Root} is not empty", "name a directory that is empty or not there") { IsPreflight = true };
            }
            DataKey? key = null;
            // First, since there may be no key to be had.
            var file = location.Key is null ? RepositoryFile.Create(time, location.Database is not null) : RepositoryFile.CreateSealed(time, location.Database is not null, FirstKeyName, location.Key, out key);
            if (location.Database is { } database)
            {
                PostgresCatalog.Create(
                    database, file.RepositoryId, file.IsSealed, time,
                    catalog => Publish(key is null ? null : () => SqliteCatalog.Replace(new SealedRows(catalog, key), [], []))).Dispose();
            }
            else Publish(() => SqliteCatalog.Open(paths.Catalog, key, create: true).Dispose());

            void Publish(Action? createCatalog)
            {
                PosixFile.CreateDirectory(paths.Root);
                File.SetUnixFileMode(paths.Root, PosixFile.DirectoryMode);
                paths.CreateAll();
                createCatalog?.Invoke();
                // The file that makes the directory a repository comes last.
                PosixFile.WriteAtomically(paths.File, file.Write(key));
            }
        }
        catch (Exception error) when (error is DirectoryNotFoundException or FileNotFoundException)
        {
            throw new SnapshotException(ErrorCode.Usage, $"no repository can be created in {paths.Root}: {error.Message}", "name a directory of your own", error)
            {
                IsPreflight = true,
            };
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.Root, "create a repository in");
        }
        return await OpenAsync(location, time, cancellation).ConfigureAwait(false);
    }

    /// <summary>Opens a repository.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), the key is wrong or missing (<see cref="ErrorCode.NotAuthorised"/>), its
    /// catalog is damaged, or it is being repaired.</exception>
    public static ValueTask<DirectoryRepository> OpenAsync(RepositoryLocation location, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        cancellation.ThrowIfCancellationRequested();
        var file = RepositoryFile.Read(location.Directory);
        file.CheckKind(location);
        var key = file.Unlock(location);
        var paths = new RepositoryPaths(location.Directory, file.IsSealed);
        var isReadOnly = !PosixFile.IsWritable(paths.Root);
        try
        {
            if (!isReadOnly) paths.CreateAll();
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.Root, "write");
        }
        return ValueTask.FromResult(location.Database is { } database
            ? OpenInDatabase(database, paths, file, key, isReadOnly, time) : OpenInDirectory(paths, file, key, isReadOnly, time));
    }

    private static DirectoryRepository OpenInDirectory(RepositoryPaths paths, RepositoryFile file, DataKey? key, bool isReadOnly, TimeProvider time)
    {
        var locks = FileLocks.Share(paths, isReadOnly, time);
        try
        {
            return new DirectoryRepository(
                paths, file, key, isReadOnly, locks, new FileJobs(paths.Jobs, time), SqliteCatalog.Open(paths.Catalog, key, isReadOnly), time);
        }
        catch
        {
            locks.Dispose();
            throw;
        }
    }

    private static DirectoryRepository OpenInDatabase(
        RepositoryDatabase database, RepositoryPaths paths, RepositoryFile file, DataKey? key, bool isReadOnly, TimeProvider time)
    {
        var catalog = PostgresCatalog.Open(database, file.RepositoryId, file.IsSealed, time);
        try
        {
            catalog.Share();
            return new DirectoryRepository(
                paths, file, key, isReadOnly, new DatabaseLocks(catalog), new LeasedJobs(catalog, paths.Jobs, time),
                key is null ? catalog : SqliteCatalog.OpenSealed(new SealedRows(catalog, key)), time)
            {
                DatabaseConnectionString = database.ConnectionString,
            };
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }

    /// <summary>Starts a checkpoint.</summary>
    /// <exception cref="SnapshotException">The repository cannot be written.</exception>
    public ValueTask<CheckpointWriter> BeginAsync(CheckpointOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        cancellation.ThrowIfCancellationRequested();
        options.Check();
        ThrowIfReadOnly();
        return ValueTask.FromResult(new CheckpointWriter(
            this, options, Jobs.Create(options.Purpose, options.Id), committed: null, recovered: null));
    }

    /// <summary>Every committed checkpoint, oldest first.</summary>
    public ValueTask<IReadOnlyList<CheckpointInfo>> ListAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Catalog.List());
    }

    /// <summary>The checkpoint a user means: an id or its beginning, a name, or <c>latest</c>.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), or there are several
    /// (<see cref="ErrorCode.Usage"/>).</exception>
    public async ValueTask<CheckpointInfo> ResolveAsync(string text, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(text);
        return CheckpointSelection.Resolve(await ListAsync(cancellation).ConfigureAwait(false), text, Directory);
    }

    /// <summary>What the job of a checkpoint noted about itself, as JSON.</summary>
    /// <exception cref="SnapshotException">The checkpoint was forgotten meanwhile, or its commit record is damaged.</exception>
    public string ReadRecord(CheckpointInfo checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        using var files = OpenPacks();
        return ReadCommit(files, checkpoint).Record;
    }

    /// <summary>Opens a checkpoint for reading.</summary>
    /// <exception cref="SnapshotException">It is gone, or its manifests are damaged.</exception>
    public ValueTask<CheckpointReader> OpenCheckpointAsync(CheckpointInfo checkpoint, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        cancellation.ThrowIfCancellationRequested();
        // Nothing can be collected where nothing can be written, so nothing has to be kept either; unless another host can.
        var registration = IsReadOnly && DatabaseConnectionString is null ? null : Jobs.Create("read");
        // The files belong to the reader, not to the repository: an open pack that was collected would keep its space.
        var files = OpenPacks();
        var reader = new SectionReader(files);
        try
        {
            if (registration is not null && !Catalog.PinCheckpoint(checkpoint.Id, registration.Id))
                throw new SnapshotException(
                    ErrorCode.NotFound, $"checkpoint {checkpoint.Id} was forgotten meanwhile", "look at 'cutpoint list'");
            var (info, record) = ReadCommit(files, checkpoint);
            var guests = new List<GuestReader>();
            foreach (var guest in info.Guests)
            {
                var at = Catalog.FindManifest(info.Id, guest.Name);
                var manifest = files.Read(at.Pack, pack => ManifestFormat.Read(pack.ReadValue(at.Offset, at.Length), at.Offset));
                if (manifest.Root != guest.Root) throw Contradiction(checkpoint.Id, $"manifest of guest '{guest.Name}'");
                guests.Add(new GuestReader(this, reader, info.Id, manifest));
            }
            return ValueTask.FromResult(new CheckpointReader(this, registration, files, reader, info, record, guests));
        }
        catch
        {
            reader.Dispose();
            files.Dispose();
            if (registration is not null)
            {
                using (registration) Catalog.Unpin(registration.Id);
            }
            throw;
        }
    }

    /// <summary>Closes the repository. Its readers and writers must be disposed of before.</summary>
    public ValueTask DisposeAsync()
    {
        Catalog.Dispose();
        Protection?.Dispose();
        _locks.Dispose();
        return ValueTask.CompletedTask;
    }

    internal PackFiles OpenPacks() => new(Paths.Packs, Protection);

    /// <summary>Refuses what would write where nothing can be written.</summary>
    /// <exception cref="SnapshotException">Why not.</exception>
    public void ThrowIfReadOnly()
    {
        if (!IsReadOnly) return;
        throw PosixFile.IsOnReadOnlyFileSystem(Directory)
            ? new SnapshotException(ErrorCode.Failed, $"the repository {Directory} is on a read-only file system", "mount it writable, or use another repository") { IsPreflight = true }
            : new SnapshotException(
                ErrorCode.Failed, $"this user may not write to the repository {Directory}", "check its owner and mode, or use another repository") { IsPreflight = true };
    }

    private (CheckpointInfo Info, string Record) ReadCommit(PackFiles files, CheckpointInfo checkpoint)
    {
        var place = Catalog.FindCommit(checkpoint.Id);
        var record = "";
        var info = files.Read(place.Pack, pack => CommitFormat.Read(pack.ReadValue(place.Offset, place.Length), place.Offset, out record));
        return info.Root == checkpoint.Root ? (info, record) : throw Contradiction(checkpoint.Id, "commit record");
    }

    private static SnapshotException Contradiction(Ulid checkpoint, string what) => new(
        ErrorCode.VerificationFailed, $"the {what} of checkpoint {checkpoint} is another one than the catalog says",
        "run 'cutpoint verify', then 'cutpoint repair'");
}
