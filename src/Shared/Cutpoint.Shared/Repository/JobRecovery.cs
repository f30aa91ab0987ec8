using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>
/// Finds what an interrupted job has made durable, and brings its packs into the state of finished ones: what was torn at the end is cut, the index is
/// written. Any part of the placements is enough: a page counts as stored only with the contents of a section that is there, and every page is compared
/// again. The caller holds the job's lock.
/// </summary>
internal sealed class JobRecovery(RepositoryPaths paths, Ulid repository, PackProtection? protection)
{
    /// <summary>Packs that may have been on their way to the disk: before a third is begun, the first is durable.</summary>
    private const int UnsurePacks = 2;

    private readonly List<CatalogPack> _packs = [];
    private readonly List<Placement> _placements = [];
    private readonly Dictionary<Digest, SectionRef> _manifests = [];
    private readonly List<(PackId Pack, PackEntry Entry)> _commits = [];

    public RecoveredJob Run(Ulid job, CancellationToken cancellation)
    {
        var recovery = new PackRecovery(repository);
        var packs = PackListing.Read(paths.Packs).Packs.Where(pack => pack.Job == job).OrderBy(pack => pack.Number).ToList();
        for (var index = 0; index < packs.Count; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (TryRead(packs[index], recovery, packs.Count - index > UnsurePacks, cancellation) is { } pack) _packs.Add(pack);
            // A pack that lost something in its middle is of no use to a checkpoint that is still to be made.
            else File.Delete(Path.Combine(paths.Packs, packs[index].FileName));
        }
        return new RecoveredJob(_packs, _placements, ReadCommit());
    }

    private CatalogPack? TryRead(PackId id, PackRecovery recovery, bool isDurable, CancellationToken cancellation)
    {
        try
        {
            return Read(id, recovery, isDurable, cancellation);
        }
        catch (MalformedInputException)
        {
            return null;
        }
    }

    private CatalogPack? Read(PackId id, PackRecovery recovery, bool isDurable, CancellationToken cancellation)
    {
        RecoveredPack pack;
        List<Placement> placements = [];
        using (var file = PackFile.Open(paths.Packs, id, protection))
        {
            if (recovery.Read(file, cancellation, trustIndex: isDurable) is not { Entries.Count: > 0 } found) return null;
            pack = found;
            if (!pack.IsFinished && !IsWhole(pack)) return null;
            foreach (var entry in pack.Entries)
            {
                if (entry.Tag == PackFormat.PlacementTag)
                    placements.AddRange(PlacementFormat.Read(file.ReadValue(entry.Offset, entry.Length), entry.Offset));
                else if (entry.Tag == PackFormat.ManifestTag) _manifests[entry.Digest] = entry.In(id);
                else if (entry.Tag == PackFormat.CommitTag) _commits.Add((id, entry));
            }
        }
        _placements.AddRange(placements);
        if (pack.IsFinished && isDurable) return new CatalogPack(id, pack.Length, pack.Entries);
        using var writer = PackWriter.Reopen(paths.Packs, pack, protection);
        if (!pack.IsFinished) writer.Finish();
        writer.FlushAsync().GetAwaiter().GetResult();
        return new CatalogPack(id, writer.Length, pack.Entries);
    }

    /// <summary>True when nothing but the end is missing.</summary>
    private static bool IsWhole(RecoveredPack pack)
    {
        for (var index = 1; index < pack.Entries.Count; index++)
        {
            if (pack.Entries[index - 1].Offset + pack.Entries[index - 1].Length != pack.Entries[index].Offset) return false;
        }
        return pack.Entries[0].Offset <= PackHeader.MaxLength && pack.Entries[^1].Offset + pack.Entries[^1].Length == pack.GoodLength;
    }

    private CatalogCommit? ReadCommit()
    {
        if (_commits.Count == 0) return null;
        var (pack, entry) = _commits[^1];
        using var files = new PackFiles(paths.Packs, protection);
        var info = files.Read(pack, open => CommitFormat.Read(open.ReadValue(entry.Offset, entry.Length), entry.Offset, out _));
        return CatalogRepair.ReadCommit(files, info, entry.In(pack), _manifests) with { MayBeDamaged = false };
    }
}
