namespace Cutpoint.Repository;

/// <summary>
/// Removes what no checkpoint needs. Safe beside running jobs and readers, because the order of its looks is the reverse of theirs: a job
/// registers, then creates packs and pins others, then commits; the collection lists packs and pins, then asks for the registrations, then asks the catalog. A pack
/// it still finds without owner and without row was abandoned. Rows go in one transaction that sees every pin; files go after it.
/// </summary>
internal sealed class GarbageCollection(DirectoryRepository repository, JobRegistration job, GcOptions options)
{
    private readonly RepositoryPaths _paths = repository.Paths;
    private readonly Catalog _catalog = repository.Catalog;

    public GcReport Run(CancellationToken cancellation)
    {
        var dryRun = options.IsDryRun;
        var listed = PackListing.Read(_paths.Packs).Packs;
        var pinners = _catalog.PinningJobs();
        var (jobs, open) = dryRun ? repository.Jobs.Look() : repository.Jobs.Bury();
        // A pin is set by a job that is registered already, so a job without registration has ended or died.
        var deadPinners = pinners.Where(id => !open.Contains(id)).ToList();
        cancellation.ThrowIfCancellationRequested();
        var compaction = new PackCompaction(repository, job, options);
        var needs = compaction.Mark(cancellation);
        var unused = _catalog.RemoveUnusedPacks(dryRun, deadPinners);
        var leftovers = listed.Where(pack => !unused.ContainsKey(pack) && !open.Contains(pack.Job)).ToList();
        var known = _catalog.Packs();
        leftovers.RemoveAll(known.ContainsKey);

        var bytes = unused.Values.Sum() + leftovers.Sum(pack => PackListing.LengthOf(_paths.Packs, pack));
        var report = new GcReport([.. unused.Keys.Order()], leftovers, bytes, jobs, dryRun);
        if (!dryRun) Remove(report);
        // What is free by now may be needed for what is written.
        if (needs is not null) compaction.Run(needs, deadPinners, cancellation);
        if (!dryRun) PosixFile.FlushDirectory(_paths.Packs);
        return report with { RewrittenPacks = compaction.Rewritten, Bytes = bytes + compaction.FreedBytes };
    }

    private void Remove(GcReport report)
    {
        try
        {
            foreach (var pack in report.UnusedPacks.Concat(report.LeftoverPacks)) File.Delete(Path.Combine(_paths.Packs, pack.FileName));
            foreach (var dead in report.DeadJobs) repository.Jobs.Remove(dead);
            PosixFile.FlushDirectory(_paths.Packs);
            RemoveMarks();
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, _paths.Packs, "remove packs in");
        }
    }

    /// <summary>A mark of a forgotten checkpoint is of no use once no pack can hold its commit record.</summary>
    private void RemoveMarks()
    {
        var jobs = PackListing.Read(_paths.Packs).Packs.Select(pack => pack.Job).ToHashSet();
        foreach (var mark in Directory.EnumerateFiles(_paths.Forgotten))
        {
            if (Ulid.TryParse(Path.GetFileName(mark), out var id) && !jobs.Contains(id)) File.Delete(mark);
        }
    }
}
