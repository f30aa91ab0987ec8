namespace Cutpoint.Repository;

/// <summary>Builds a catalog out of the packs alone. Runs while nobody else has the repository open.</summary>
internal sealed class CatalogRepair(RepositoryPaths paths, Ulid repository, DataKey? key)
{
    private readonly List<string> _findings = [];
    private readonly Dictionary<PackId, RecoveredPack> _packs = [];
    private readonly Dictionary<Digest, PackId> _sections = [];
    private readonly Dictionary<Digest, SectionRef> _manifests = [];

    /// <summary>Reads the packs, and hands over what a catalog is to say.</summary>
    /// <param name="replace">Puts a catalog of these packs and checkpoints into the place of the old one.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public RepairReport Run(Action<IReadOnlyList<CatalogPack>, IReadOnlyList<CatalogCommit>> replace, CancellationToken cancellation)
    {
        using var protection = key is null ? null : new PackProtection(key);
        using var files = new PackFiles(paths.Packs, protection);
        ReadPacks(files, cancellation);
        var commits = ReadCommits(files, cancellation);
        var used = new HashSet<PackId>();
        foreach (var commit in commits)
        {
            used.Add(commit.Record.Pack);
            foreach (var manifest in commit.Manifests) used.Add(manifest.Pack);
            var missing = 0;
            foreach (var identity in commit.Sections)
            {
                if (_sections.TryGetValue(identity, out var pack)) used.Add(pack);
                else missing++;
            }
            if (missing > 0)
                _findings.Add($"checkpoint {commit.Info.Id}: {missing} sections are lost; 'cutpoint verify' says which parts they hit");
        }
        var kept = used.Order().Select(id => new CatalogPack(id, _packs[id].Length, _packs[id].Entries)).ToList();
        var sections = kept.Sum(pack => pack.Entries.LongCount(entry => entry.IsSection));
        replace(kept, commits);
        return new RepairReport(kept.Count, sections, commits.ConvertAll(commit => commit.Info), _findings);
    }

    private void ReadPacks(PackFiles files, CancellationToken cancellation)
    {
        var recovery = new PackRecovery(repository);
        foreach (var id in PackListing.Read(paths.Packs).Packs)
        {
            cancellation.ThrowIfCancellationRequested();
            var pack = files.Read(id, open => recovery.Read(open, cancellation));
            if (pack is null)
            {
                _findings.Add($"pack {id} belongs to another repository and is left alone");
                continue;
            }
            _findings.AddRange(pack.Damages.Select(damage => $"pack {id}, {damage}"));
            if (pack.GoodLength < pack.Length) pack = CutTail(pack);
            _packs.Add(id, pack);
            foreach (var entry in pack.Entries)
            {
                if (entry.IsSection) _sections.TryAdd(entry.Digest, id);
                else if (entry.Tag == PackFormat.ManifestTag) _manifests.TryAdd(entry.Digest, entry.In(id));
            }
        }
    }

    /// <summary>Cuts what follows the last value that holds: nothing behind it can be used.</summary>
    private RecoveredPack CutTail(RecoveredPack pack)
    {
        var path = Path.Combine(paths.Packs, pack.Id.FileName);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            stream.SetLength(pack.GoodLength);
            stream.Flush(flushToDisk: true);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "cut");
        }
        _findings.Add($"pack {pack.Id}: {pack.Length - pack.GoodLength} octets behind the last good value were cut");
        return pack with { Length = pack.GoodLength };
    }

    private List<CatalogCommit> ReadCommits(PackFiles files, CancellationToken cancellation)
    {
        var commits = new Dictionary<Ulid, CatalogCommit>();
        foreach (var (id, pack) in _packs.OrderBy(pack => pack.Key))
        {
            foreach (var entry in pack.Entries.Where(entry => entry.Tag == PackFormat.CommitTag))
            {
                cancellation.ThrowIfCancellationRequested();
                try
                {
                    var info = files.Read(id, open => CommitFormat.Read(open.ReadValue(entry.Offset, entry.Length), entry.Offset, out _));
                    if (commits.ContainsKey(info.Id) || File.Exists(Path.Combine(paths.Forgotten, info.Id.ToString()))) continue;
                    commits.Add(info.Id, ReadCommit(files, info, entry.In(id), _manifests));
                }
                catch (SnapshotException error)
                {
                    _findings.Add($"a checkpoint of job {id.Job} is lost: {error.Message}");
                }
            }
        }
        return [.. commits.Values.OrderBy(commit => commit.Info.CreatedAt).ThenBy(commit => commit.Info.Id)];
    }

    /// <summary>What a commit record makes visible, by the manifests it names.</summary>
    /// <exception cref="SnapshotException">A manifest is missing or damaged.</exception>
    public static CatalogCommit ReadCommit(
        PackFiles files, CheckpointInfo info, SectionRef record, IReadOnlyDictionary<Digest, SectionRef> known)
    {
        var manifests = new List<SectionRef>();
        var sections = new HashSet<Digest>();
        foreach (var guest in info.Guests)
        {
            if (!known.TryGetValue(guest.Root, out var place))
                throw new SnapshotException(
                    ErrorCode.VerificationFailed, $"the manifest of guest '{guest.Name}' of checkpoint {info.Id} is in no pack");
            manifests.Add(place);
            sections.UnionWith(
                files.Read(place.Pack, open => ManifestFormat.Read(open.ReadValue(place.Offset, place.Length), place.Offset)).Sections);
        }
        return new CatalogCommit(info, record, manifests, sections, MayBeDamaged: true);
    }
}
