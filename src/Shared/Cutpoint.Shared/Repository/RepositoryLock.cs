namespace Cutpoint.Repository;

/// <summary>
/// A file lock of the whole repository. The system drops it when the process dies; beside it lies the name of the last one who held it
/// alone, for the message to those who do not get it.
/// </summary>
internal sealed class RepositoryLock : IDisposable
{
    private const UnixFileMode Mode = PosixFile.FileMode;

    private readonly FileStream? _file;
    private readonly string? _owner;

    private RepositoryLock(FileStream? file, string? owner)
    {
        _file = file;
        _owner = owner;
    }

    /// <summary>Says that the repository is in use. Many may at once.</summary>
    /// <exception cref="SnapshotException">It is being repaired (<see cref="ErrorCode.Locked"/>).</exception>
    public static RepositoryLock Share(RepositoryPaths paths, bool isReadOnly)
    {
        // Where nothing can be written nobody can repair, and the file need not be there.
        if (isReadOnly) return new RepositoryLock(null, null);
        return new RepositoryLock(Open(paths.UseLock, FileAccess.Read, FileShare.Read, "the repository is being repaired"), null);
    }

    /// <summary>Takes a lock alone.</summary>
    /// <exception cref="SnapshotException">Others hold it (<see cref="ErrorCode.Locked"/>).</exception>
    public static RepositoryLock Take(string path, string purpose, string whenHeld, TimeProvider time)
    {
        var file = Open(path, FileAccess.ReadWrite, FileShare.None, whenHeld);
        var owner = OwnerPath(path);
        try
        {
            PosixFile.WriteAtomically(owner, JobOwner.Create(purpose, time).Write());
            return new RepositoryLock(file, owner);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            file.Dispose();
            throw StorageError.Translate(error, owner, "write");
        }
    }

    /// <summary>Who holds a lock alone, or held it last and died; null when nobody did.</summary>
    public static JobOwner? OwnerOf(string path) => File.Exists(OwnerPath(path)) ? JobOwner.Read(OwnerPath(path)) : null;

    /// <summary>True while somebody holds a lock alone.</summary>
    public static bool IsHeld(string path)
    {
        try
        {
            using (new FileStream(path, Options(FileMode.Open, FileAccess.Read, FileShare.Read))) return false;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public void Dispose()
    {
        if (_owner is not null) File.Delete(_owner);
        _file?.Dispose();
    }

    private static FileStream Open(string path, FileAccess access, FileShare share, string whenHeld)
    {
        try
        {
            // A shared lock needs no right to write, but the first one creates the file.
            if (!File.Exists(path))
                new FileStream(path, Options(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite)).Dispose();
            return new FileStream(path, Options(FileMode.Open, access, share));
        }
        catch (Exception error) when (error is UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException || StorageError.IsReadOnly(error))
        {
            throw StorageError.Translate(error, path, "open");
        }
        catch (IOException error)
        {
            var owner = JobOwner.Read(OwnerPath(path));
            throw new SnapshotException(
                ErrorCode.Locked, owner is null ? whenHeld : $"{whenHeld}: {owner}", "wait until it has ended, then try again", error)
            {
                IsTransient = true,
                IsPreflight = true,
            };
        }
    }

    private static FileStreamOptions Options(FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
        if (mode == FileMode.OpenOrCreate) options.UnixCreateMode = Mode;
        return options;
    }

    private static string OwnerPath(string path) => path + ".owner.json";
}
