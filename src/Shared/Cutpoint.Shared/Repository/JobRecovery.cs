using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>
/// Finds what an interrupted job has made durable, and brings its packs into the state of finished ones: what was torn at the end is cut, the index is
/// written. Any part of the placements is enough: a page counts as stored only with the contents of a section that is there, and every page is compared
/// again. The caller owns the job.
/// <para>
/// Where the owner before may be alive, packs are copied under names of the new owner, value by value: whatever the old one still appends or removes, it does to names
/// nobody relies on.
/// </para>
/// </summary>
internal sealed class JobRecovery(RepositoryPaths paths, Ulid repository, PackProtection? protection, JobRegistration owner)
{
    /// <summary>Packs that may have been on their way to the disk: before a third is begun, the first is durable.</summary>
    private const int UnsurePacks = 2;

    private readonly List<CatalogPack> _packs = [];
    private readonly List<Placement> _placements = [];
    private readonly Dictionary<Digest, SectionRef> _manifests = [];
    private readonly List<(PackId Pack, PackEntry Entry)> _commits = [];

    private int _lastPack = owner.LastPack;

    public RecoveredJob Run(CancellationToken cancellation)
    {
        var recovery = new PackRecovery(repository);
        var packs = PackListing.Read(paths.Packs).Packs.Where(pack => pack.Job == owner.Id).OrderBy(pack => pack.Number).ToList();
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
        catch (SnapshotException) when (owner.IsContested && !File.Exists(Path.Combine(paths.Packs, id.FileName)))
        {
            // An owner before this one woke up to remove it. What was in it is stored again.
            return null;
        }
    }

    private CatalogPack? Read(PackId id, PackRecovery recovery, bool isDurable, CancellationToken cancellation)
    {
        using var file = PackFile.Open(paths.Packs, id, protection);
        if (recovery.Read(file, cancellation, trustIndex: isDurable && !owner.IsContested) is not { Entries.Count: > 0 } pack) return null;
        if (!pack.IsFinished && !IsWhole(pack)) return null;
        List<Placement> placements = [];
        foreach (var entry in pack.Entries)
        {
            if (entry.Tag == PackFormat.PlacementTag) placements.AddRange(PlacementFormat.Read(file.ReadValue(entry.Offset, entry.Length), entry.Offset));
        }
        var recovered = owner.IsContested ? Copy(file, pack) : Finish(pack, isDurable);
        _placements.AddRange(placements);
        foreach (var entry in recovered.Entries)
        {
            if (entry.Tag == PackFormat.ManifestTag) _manifests[entry.Digest] = entry.In(recovered.Id);
            else if (entry.Tag == PackFormat.CommitTag) _commits.Add((recovered.Id, entry));
        }
        return recovered;
    }

    private CatalogPack Finish(RecoveredPack pack, bool isDurable)
    {
        if (pack.IsFinished && isDurable) return new CatalogPack(pack.Id, pack.Length, pack.Entries);
        using var writer = PackWriter.Reopen(paths.Packs, pack, protection);
        if (!pack.IsFinished) writer.Finish();
        writer.FlushAsync().GetAwaiter().GetResult();
        return new CatalogPack(pack.Id, writer.Length, pack.Entries);
    }

    private CatalogPack Copy(PackFile file, RecoveredPack pack)
    {
        var id = new PackId(owner.Id, ++_lastPack);
        using var writer = PackWriter.Create(paths.Packs, new PackHeader(repository, id, protection is not null), protection);
        foreach (var entry in pack.Entries) writer.Append(entry.Tag, entry.Digest, file.ReadValue(entry.Offset, entry.Length));
        writer.Finish();
        writer.FlushAsync().GetAwaiter().GetResult();
        File.Delete(Path.Combine(paths.Packs, pack.Id.FileName));
        return new CatalogPack(id, writer.Length, writer.Entries);
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
