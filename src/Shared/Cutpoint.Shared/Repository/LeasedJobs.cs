using System.Globalization;
using System.Text;

namespace Cutpoint.Repository;

/// <summary>
/// Jobs of a repository that several hosts use: a row and a lease each, in the database of the catalog, by its clock. That a lease has run out does not prove that its
/// owner is dead, so every takeover raises the job's epoch, and what counts is fenced by that: the commit, in its transaction, and the names of packs.
/// </summary>
/// <param name="catalog">The catalog; not owned.</param>
/// <param name="jobs">Directory of scratch files.</param>
/// <param name="time">The clock of this process.</param>
internal sealed class LeasedJobs(PostgresCatalog catalog, string jobs, TimeProvider time) : JobRegistry
{
    /// <summary>How long a lease lasts that is not renewed: as long as a host may be out of touch, and as others wait for one that died.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(15);

    private static readonly long LengthMilliseconds = (long)Length.TotalMilliseconds;

    public override JobRegistration Create(string purpose, Ulid? given)
    {
        var id = given ?? Ulid.Create(time);
        var started = time.GetTimestamp();
        // Whoever gave the id waits for that job: when this process dies another goes on with it, however early that was.
        var epoch = (long?)catalog.Write(
            () => catalog.Scalar(
                $"""
                INSERT INTO job (id, owner, epoch, expires_at, resumable) VALUES (@0, @1, 1, {PostgresCatalog.Now} + @2, {(given is null ? "FALSE" : "TRUE")})
                ON CONFLICT (id) DO NOTHING RETURNING epoch
                """,
                id.ToString(), Owner(purpose), LengthMilliseconds),
            isDurable: true);
        return epoch is { } granted ? Hold(id, granted, started) : throw Running(id, List().FirstOrDefault(job => job.Id == id)?.Owner);
    }

    public override JobRegistration Resume(Ulid id, string purpose)
    {
        var started = time.GetTimestamp();
        // Under the lock of all writers: a commit of the owner before has taken place or will be refused.
        var epoch = (long?)catalog.Write(
            () => catalog.Scalar(
                $"UPDATE job SET owner = @1, epoch = epoch + 1, expires_at = {PostgresCatalog.Now} + @2 WHERE id = @0 AND resumable AND expires_at < {PostgresCatalog.Now} RETURNING epoch",
                id.ToString(), Owner(purpose), LengthMilliseconds),
            isDurable: true);
        if (epoch is { } granted) return Hold(id, granted, started);
        var job = List().FirstOrDefault(job => job.Id == id);
        throw job is { IsAlive: true } ? Running(id, job.Owner) : NotResumable(id);
    }

    public override IReadOnlyList<RegisteredJob> List() => catalog.Run(Rows);

    /// <summary>Deletes the rows of the jobs that died, so that no commit of theirs passes its fence.</summary>
    public override (IReadOnlyList<Ulid> Dead, IReadOnlySet<Ulid> Open) Bury()
    {
        var directories = Directories();
        var (dead, rows) = catalog.Write(
            () =>
            {
                var ended = Rows().Where(job => !job.IsOpen).Select(job => job.Id).ToList();
                foreach (var id in ended) catalog.Execute("DELETE FROM job WHERE id = @0", id.ToString());
                return (ended, Rows());
            },
            isDurable: true);
        var open = rows.Select(job => job.Id).ToHashSet();
        // A row comes before the directory, so a directory without one belongs to a job that has ended, or was left by a collection that died here.
        foreach (var id in directories.Except(open)) Remove(id);
        return (dead, open);
    }

    public override void Remove(Ulid id) => FileJobs.Remove(Path.Combine(jobs, id.ToString()));

    private static string Owner(string purpose, TimeProvider time) => Encoding.UTF8.GetString(JobOwner.Create(purpose, time).Write());

    private string Owner(string purpose) => Owner(purpose, time);

    private List<Ulid> Directories()
    {
        var found = new List<Ulid>();
        if (!Directory.Exists(jobs)) return found;
        foreach (var directory in Directory.EnumerateDirectories(jobs))
        {
            if (Ulid.TryParse(Path.GetFileName(directory), out var id)) found.Add(id);
        }
        return found;
    }

    private List<RegisteredJob> Rows()
    {
        using var command = catalog.Command($"SELECT id, owner, expires_at >= {PostgresCatalog.Now}, resumable FROM job ORDER BY id");
        using var reader = command.ExecuteReader();
        var rows = new List<RegisteredJob>();
        while (reader.Read())
        {
            rows.Add(new RegisteredJob(
                CatalogListing.ParseUlid(reader.GetString(0)), JobOwner.Parse(Encoding.UTF8.GetBytes(reader.GetString(1))), reader.GetBoolean(2), reader.GetBoolean(3)));
        }
        return rows;
    }

    private JobLease Hold(Ulid id, long epoch, long started)
    {
        // A directory for each owner: the one before may write into its own still.
        var directory = Path.Combine(jobs, id.ToString(), epoch.ToString(CultureInfo.InvariantCulture));
        try
        {
            if (PosixFile.IsWritable(jobs))
            {
                // Each with the mode, which those above would not get.
                PosixFile.CreateDirectory(Path.GetDirectoryName(directory)!);
                PosixFile.CreateDirectory(directory);
            }
            return new JobLease(catalog, id, epoch, directory, started, time);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, directory, "create");
        }
    }
}
