namespace Cutpoint.Repository;

/// <summary>
/// Jobs of a repository that one machine uses. Each says to every process that it runs, and proves it: a directory <c>jobs/ID</c> with the owner's name and a file
/// that the owner keeps locked. The system drops the lock when the process dies, so a lock that can be had belongs to a dead job, whatever numbers processes
/// have by then.
/// </summary>
internal sealed class FileJobs(string jobs, TimeProvider time) : JobRegistry
{
    private const string LockName = "lock";
    private const string UnfinishedPrefix = ".new-";
    private const string OwnerName = "owner.json";
    private const string ResumableName = "resumable";

    public override JobRegistration Create(string purpose, Ulid? given)
    {
        var id = given ?? Ulid.Create(time);
        var directory = Path.Combine(jobs, id.ToString());
        var unfinished = Path.Combine(jobs, UnfinishedPrefix + id);
        FileStream? @lock = null;
        try
        {
            // The name appears with the lock held: who finds a job without lock finds a dead one.
            PosixFile.CreateDirectory(unfinished);
            @lock = PosixFile.Create(Path.Combine(unfinished, LockName), FileShare.None);
            using (var owner = PosixFile.Create(Path.Combine(unfinished, OwnerName)))
                owner.Write(JobOwner.Create(purpose, time).Write());
            System.IO.Directory.Move(unfinished, directory);
            return new Held(id, directory, @lock);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            using (@lock) Remove(unfinished);
            throw StorageError.Translate(error, directory, "create");
        }
    }

    public override JobRegistration Resume(Ulid id, string purpose)
    {
        var directory = Path.Combine(jobs, id.ToString());
        var owner = Path.Combine(directory, OwnerName);
        if (!IsResumable(jobs, id)) throw NotResumable(id);
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
            throw Running(id, JobOwner.Read(owner), error);
        }
        try
        {
            PosixFile.WriteAtomically(owner, JobOwner.Create(purpose, time).Write());
            return new Held(id, directory, @lock);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            @lock.Dispose();
            throw StorageError.Translate(error, owner, "write");
        }
    }

    /// <summary>True when what a job wrote belongs to it still: it runs, or another process may go on with it.</summary>
    public static bool IsOpen(string jobs, Ulid id) => IsResumable(jobs, id) || IsLocked(jobs, id) is true;

    public override bool IsOpen(Ulid id) => IsOpen(jobs, id);

    public override IReadOnlyList<RegisteredJob> List()
    {
        var found = new List<RegisteredJob>();
        if (!System.IO.Directory.Exists(jobs)) return found;
        foreach (var directory in System.IO.Directory.EnumerateDirectories(jobs))
        {
            if (!Ulid.TryParse(Path.GetFileName(directory), out var id)) continue;
            var owner = JobOwner.Read(Path.Combine(directory, OwnerName));
            // One that has just ended has no lock any more. Whether one that died can be resumed changes no more.
            if (IsLocked(jobs, id) is { } isAlive) found.Add(new RegisteredJob(id, owner, isAlive, IsResumable(jobs, id)));
        }
        found.Sort(static (left, right) => left.Id.CompareTo(right.Id));
        return found;
    }

    public override void Remove(Ulid id) => Remove(Path.Combine(jobs, id.ToString()));

    private static bool IsResumable(string jobs, Ulid id) => File.Exists(Path.Combine(jobs, id.ToString(), ResumableName));

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

    /// <summary>Removes a directory with all that is in it; one that is gone is none to be removed.</summary>
    internal static void Remove(string directory)
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

    private sealed class Held(Ulid id, string directory, FileStream @lock) : JobRegistration(id, directory)
    {
        public override void Keep()
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

        public override void Leave() => @lock.Dispose();

        /// <summary>The job's name goes first and at once, while it is locked, so that nobody takes it for a dead one.</summary>
        public override void Dispose()
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
                @lock.Dispose();
            }
        }
    }
}
