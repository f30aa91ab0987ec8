namespace Cutpoint.Repository;

/// <summary>Looks at everything but the contents of packs, and changes nothing.</summary>
/// <param name="paths">Where things are.</param>
/// <param name="repository">The repository.</param>
/// <param name="jobs">Its jobs.</param>
/// <param name="locks">Its locks.</param>
/// <param name="catalog">The catalog; null when the repository is encrypted and there is no key.</param>
/// <param name="protection">What opens the packs of an encrypted repository.</param>
/// <param name="time">The clock.</param>
internal sealed class RepositoryDoctor(
    RepositoryPaths paths, Ulid repository, JobRegistry jobs, RepositoryLocks locks, Catalog? catalog, PackProtection? protection, TimeProvider time)
{
    private const UnixFileMode Others = ~(PosixFile.DirectoryMode | UnixFileMode.SetGroup);

    private readonly List<DoctorFinding> _findings = [];

    public IReadOnlyList<DoctorFinding> Run(CancellationToken cancellation)
    {
        CheckModes();
        CheckJobs();
        _findings.AddRange(locks.Examine());
        cancellation.ThrowIfCancellationRequested();
        if (catalog is null)
        {
            Add(DoctorSeverity.Note, $"{paths.Root} is encrypted and no key was given: only its structure was looked at", "give the key to see the rest");
            _findings.AddRange(new SealedStructure(paths, repository, jobs).Examine(cancellation));
            return _findings;
        }
        foreach (var line in catalog.Check())
            Add(DoctorSeverity.Damage, $"the catalog is damaged: {line}", "rebuild it from the packs with 'cutpoint repair'");
        CheckPacks(catalog, cancellation);
        CheckMarks(catalog);
        return _findings;
    }

    private void CheckModes()
    {
        foreach (var path in (ReadOnlySpan<string>)[paths.Root, paths.File, paths.Catalog])
        {
            if (Path.Exists(path) && (File.GetUnixFileMode(path) & Others) != 0)
                Add(DoctorSeverity.Damage, $"others may use {path}, which holds guests' secrets or leads to them", $"chmod go= {path}");
        }
    }

    private void CheckJobs()
    {
        foreach (var job in jobs.List())
        {
            var id = job.Id;
            var who = job.Owner?.ToText(time.GetUtcNow()) ?? "an unknown process";
            if (job.IsAlive) Add(DoctorSeverity.Note, $"job {id} is running: {who}", null);
            else if (job.IsResumable)
                Add(DoctorSeverity.Leftover, $"job {id} was interrupted: {who}", $"run 'cutpoint resume {id}' to go on, 'cutpoint cancel {id}' to remove it");
            else Add(DoctorSeverity.Leftover, $"job {id} was left behind: {who}", "run 'cutpoint gc'");
        }
    }

    private void CheckPacks(Catalog catalog, CancellationToken cancellation)
    {
        var listing = PackListing.Read(paths.Packs);
        foreach (var name in listing.Strangers) Add(DoctorSeverity.Note, $"{Path.Combine(paths.Packs, name)} is no pack", "move it away");
        var known = catalog.Packs();
        var recovery = new PackRecovery(repository);
        foreach (var id in listing.Packs)
        {
            cancellation.ThrowIfCancellationRequested();
            var length = PackListing.LengthOf(paths.Packs, id);
            if (known.TryGetValue(id, out var expected))
            {
                if (length != expected)
                    Add(DoctorSeverity.Damage, $"pack {id} has {length} octets, the catalog says {expected}", "run 'cutpoint verify'");
            }
            else if (!jobs.IsOpen(id.Job) && !catalog.Packs().ContainsKey(id))
            {
                Add(
                    DoctorSeverity.Leftover,
                    $"pack {id} ({length} octets) was left behind by a job that never committed{State(recovery, id, cancellation)}",
                    "run 'cutpoint gc'");
            }
        }
        foreach (var id in known.Keys.Except(listing.Packs).Order())
            Add(
                DoctorSeverity.Damage, $"pack {id} is missing",
                "put it back from a copy, or run 'cutpoint verify' to see which checkpoints are hit");
        var unused = catalog.RemoveUnusedPacks(
            dryRun: true, [.. catalog.PinningJobs().Where(job => !jobs.IsOpen(job))]);
        if (unused.Count > 0)
            Add(
                DoctorSeverity.Leftover, $"{unused.Count} packs ({unused.Values.Sum()} octets) are needed by no checkpoint",
                "run 'cutpoint gc'");
    }

    private string State(PackRecovery recovery, PackId id, CancellationToken cancellation)
    {
        using var file = PackFile.Open(paths.Packs, id, protection);
        return recovery.Read(file, cancellation) switch
        {
            null => "; it belongs to another repository",
            { IsFinished: true } => "",
            { GoodLength: var good, Length: var length } when good < length => $"; its last {length - good} octets are torn",
            _ => "; it is not finished",
        };
    }

    private void CheckMarks(Catalog catalog)
    {
        if (!Directory.Exists(paths.Forgotten)) return;
        var listed = catalog.List().Select(checkpoint => checkpoint.Id).ToHashSet();
        foreach (var mark in Directory.EnumerateFiles(paths.Forgotten))
        {
            if (Ulid.TryParse(Path.GetFileName(mark), out var id) && listed.Contains(id))
                Add(DoctorSeverity.Leftover, $"forgetting checkpoint {id} was interrupted", $"run 'cutpoint forget {id}' again");
        }
    }

    private void Add(DoctorSeverity severity, string message, string? advice) =>
        _findings.Add(new DoctorFinding(severity, message, advice));
}
