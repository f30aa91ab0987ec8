namespace Cutpoint.Repository;

/// <summary>
/// Removes what no checkpoint needs. Safe beside running jobs and readers, because the order of its looks is the reverse of theirs: a job
/// locks its directory, then creates packs, then commits; the collection lists packs, then asks for the lock, then asks the catalog. A pack
/// it still finds without owner and without row was abandoned. Rows go in one transaction that sees every pin; files go after it.
/// </summary>
internal sealed class GarbageCollection(RepositoryPaths paths, Catalog catalog)
{
    public GcReport Run(bool dryRun, CancellationToken cancellation)
    {
        var listed = PackListing.Read(paths.Packs).Packs;
        var jobs = JobRegistration.List(paths.Jobs).Select(job => job.Id).Where(id => JobRegistration.IsDead(paths.Jobs, id)).ToList();
        // A pin is set by a job that is registered already, so a job without registration has ended or died.
        var deadPinners = catalog.PinningJobs().Where(id => !JobRegistration.IsAlive(paths.Jobs, id)).ToList();
        cancellation.ThrowIfCancellationRequested();
        var unused = catalog.RemoveUnusedPacks(dryRun, deadPinners);
        var leftovers = listed.Where(pack => !unused.ContainsKey(pack) && !JobRegistration.IsAlive(paths.Jobs, pack.Job)).ToList();
        var known = catalog.Packs();
        leftovers.RemoveAll(known.ContainsKey);

        var bytes = unused.Values.Sum() + leftovers.Sum(pack => PackListing.LengthOf(paths.Packs, pack));
        var report = new GcReport([.. unused.Keys.Order()], leftovers, bytes, jobs, dryRun);
        if (dryRun) return report;
        try
        {
            foreach (var pack in report.UnusedPacks.Concat(leftovers)) File.Delete(Path.Combine(paths.Packs, pack.FileName));
            foreach (var job in jobs) JobRegistration.Remove(paths.Jobs, job);
            PosixFile.FlushDirectory(paths.Packs);
            RemoveMarks();
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.Packs, "remove packs in");
        }
        return report;
    }

    /// <summary>A mark of a forgotten checkpoint is of no use once no pack can hold its commit record.</summary>
    private void RemoveMarks()
    {
        var jobs = PackListing.Read(paths.Packs).Packs.Select(pack => pack.Job).ToHashSet();
        foreach (var mark in Directory.EnumerateFiles(paths.Forgotten))
        {
            if (Ulid.TryParse(Path.GetFileName(mark), out var id) && !jobs.Contains(id)) File.Delete(mark);
        }
    }
}
