using System.Text.Json;

namespace Cutpoint.Repository;

/// <summary>
/// Says to every process that a job runs, and proves it: a directory <c>jobs/ID</c> with the owner's name and a file that the owner keeps
/// locked. The system drops the lock when the process dies, so a lock that can be had belongs to a dead job, whatever numbers processes
/// have by then.
/// </summary>
internal sealed class JobRegistration : IDisposable
{
    private const string LockName = "lock";
    private const string UnfinishedPrefix = ".new-";
    private const string OwnerName = "owner.json";
    private const string ResumableName = "resumable";
    private const int MaxOwnerLength = 64 << 10;

    private readonly FileStream _lock;

    private JobRegistration(Ulid id, string directory, FileStream @lock)
    {
        Id = id;
        Directory = directory;
        _lock = @lock;
    }

    public Ulid Id { get; }

    /// <summary>The job's own directory, for its scratch files; gone when the job has ended.</summary>
    public string Directory { get; }

    public static JobRegistration Create(string jobs, string purpose, TimeProvider time)
    {
        var id = Ulid.Create(time);
        var directory = Path.Combine(jobs, id.ToString());
        var unfinished = Path.Combine(jobs, UnfinishedPrefix + id);
        FileStream? @lock = null;
        try
        {
            // The name appears with the lock held: who finds a job without lock finds a dead one.
            PosixFile.CreateDirectory(unfinished);
            @lock = PosixFile.Create(Path.Combine(unfinished, LockName), FileShare.None);
            using (var owner = PosixFile.Create(Path.Combine(unfinished, OwnerName)))
                owner.Write(JsonSerializer.SerializeToUtf8Bytes(JobOwner.Create(purpose, time), RepositoryJson.Default.JobOwner));
            System.IO.Directory.Move(unfinished, directory);
            return new JobRegistration(id, directory, @lock);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            using (@lock) Remove(unfinished);
            throw StorageError.Translate(error, directory, "create");
        }
    }

    /// <summary>Takes over a job whose process died.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), or its process lives (<see cref="ErrorCode.Locked"/>).</exception>
    public static JobRegistration Resume(string jobs, Ulid id, string purpose, TimeProvider time)
    {
        var directory = Path.Combine(jobs, id.ToString());
        var owner = Path.Combine(directory, OwnerName);
        if (!IsResumable(jobs, id))
            throw new SnapshotException(ErrorCode.NotFound, $"there is no job {id} that could be resumed", "look at 'cutpoint list'") { IsPreflight = true };
        FileStream @lock;
        try
        {
            @lock = new FileStream(Path.Combine(directory, LockName), FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SnapshotException(ErrorCode.NotFound, $"job {id} has just ended", "look at 'cutpoint list'", error) { IsPreflight = true };
        }
        catch (IOException error)
        {
            var who = ReadOwner(owner)?.ToString() ?? "by another process";
            throw new SnapshotException(
                ErrorCode.Locked, $"job {id} is running: {who}", $"follow it with 'cutpoint watch {id}', or end it with 'cutpoint cancel {id}'", error)
            {
                IsTransient = true,
                IsPreflight = true,
            };
        }
        try
        {
            PosixFile.WriteAtomically(owner, JsonSerializer.SerializeToUtf8Bytes(JobOwner.Create(purpose, time), RepositoryJson.Default.JobOwner));
            return new JobRegistration(id, directory, @lock);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            @lock.Dispose();
            throw StorageError.Translate(error, owner, "write");
        }
    }

    /// <summary>True when what a job wrote stays after its process has died.</summary>
    public static bool IsResumable(string jobs, Ulid id) => File.Exists(Path.Combine(jobs, id.ToString(), ResumableName));

    /// <summary>True when what a job wrote belongs to it still: it runs, or another process may go on with it.</summary>
    public static bool IsOpen(string jobs, Ulid id) => IsResumable(jobs, id) || IsAlive(jobs, id);

    /// <summary>True while the process that runs a job lives; false when it died, and when the job has ended.</summary>
    public static bool IsAlive(string jobs, Ulid id) => IsLocked(jobs, id) is true;

    /// <summary>True when a job's process died and left its directory behind.</summary>
    public static bool IsDead(string jobs, Ulid id) => IsLocked(jobs, id) is false;

    /// <summary>Null when there is no such job: it has ended.</summary>
    private static bool? IsLocked(string jobs, Ulid id)
    {
        try
        {
            using (File.OpenHandle(Path.Combine(jobs, id.ToString(), LockName), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                return false;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>Every job that has a directory, alive or not, with its owner when it says who that is.</summary>
    public static IReadOnlyList<(Ulid Id, JobOwner? Owner)> List(string jobs)
    {
        var found = new List<(Ulid, JobOwner?)>();
        if (!System.IO.Directory.Exists(jobs)) return found;
        foreach (var directory in System.IO.Directory.EnumerateDirectories(jobs))
        {
            if (Ulid.TryParse(Path.GetFileName(directory), out var id)) found.Add((id, ReadOwner(Path.Combine(directory, OwnerName))));
        }
        found.Sort((left, right) => left.Item1.CompareTo(right.Item1));
        return found;
    }

    /// <summary>Who owns a job or lock, or null when that cannot be told.</summary>
    public static JobOwner? ReadOwner(string path)
    {
        try
        {
            return new FileInfo(path).Length > MaxOwnerLength
                ? null
                : JsonSerializer.Deserialize(File.ReadAllBytes(path), RepositoryJson.Default.JobOwner);
        }
        catch (Exception error) when (StorageError.IsStorage(error) || error is JsonException)
        {
            return null;
        }
    }

    /// <summary>Removes the directory of a job that has ended.</summary>
    public static void Remove(string jobs, Ulid id) => Remove(Path.Combine(jobs, id.ToString()));

    private static void Remove(string directory)
    {
        try
        {
            if (System.IO.Directory.Exists(directory)) System.IO.Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Two removed it at once, a job that ends and a collection that saw it end; gone is gone.
            return;
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, directory, "remove");
        }
    }

    /// <summary>From here on another process may go on with the job when this one has died.</summary>
    public void Keep()
    {
        var path = Path.Combine(Directory, ResumableName);
        try
        {
            if (!File.Exists(path)) PosixFile.Create(path).Dispose();
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "create");
        }
    }

    /// <summary>Lets go of the job without ending it: another process may go on.</summary>
    public void Leave() => _lock.Dispose();

    /// <summary>Ends the job: its name goes first and at once, while it is locked, so that nobody takes it for a dead one.</summary>
    public void Dispose()
    {
        try
        {
            var ending = Path.Combine(Path.GetDirectoryName(Directory)!, UnfinishedPrefix + Id);
            try
            {
                System.IO.Directory.Move(Directory, ending);
            }
            catch (Exception error) when (StorageError.IsStorage(error))
            {
                // On a file system that takes no more changes it stays where it is, and is found dead later.
                ending = Directory;
            }
            Remove(ending);
        }
        finally
        {
            _lock.Dispose();
        }
    }
}
