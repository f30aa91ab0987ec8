namespace Cutpoint.Repository;

/// <summary>
/// Rewrites packs of which checkpoints need little: the sections they need go into new packs, and the old ones are removed. What happens, in this order, and
/// what a crash after each step leaves:
/// <code>
/// mark      sections that checkpoints name                       nothing
/// copy      needed sections into packs of this job, flushed      packs of a dead job, which the next collection removes
/// swap      one transaction: new packs in, sections moved,       old files without a row, which the next collection removes
///           old packs out
/// remove    the old files
/// </code>
/// Safe beside jobs and readers: a pack somebody has pinned is left alone, and the transaction looks again, at the pins and at what was committed since the
/// mark. Packs with a manifest or a commit record of a listed checkpoint are left alone too: nearly all of such a pack is needed, and a forgotten checkpoint's
/// record must never move to where its mark does not follow it.
/// </summary>
internal sealed class PackCompaction(DirectoryRepository repository, JobRegistration job, GcOptions options)
{
    private readonly List<PackId> _rewritten = [];
    private int _created;

    /// <summary>Packs that were rewritten, or would be.</summary>
    public IReadOnlyList<PackId> Rewritten => _rewritten;

    /// <summary>Octets that became free, or would.</summary>
    public long FreedBytes { get; private set; }

    /// <summary>Reads what every listed checkpoint needs, and lets go of packs in which one has nothing left.</summary>
    /// <returns>Null when a manifest cannot be read: nobody knows then what may go.</returns>
    public CheckpointNeeds? Mark(CancellationToken cancellation)
    {
        var listed = repository.Catalog.List();
        var needed = new HashSet<Digest>();
        var isKnown = true;
        using var files = repository.OpenPacks();
        foreach (var checkpoint in listed)
        {
            cancellation.ThrowIfCancellationRequested();
            if (SectionsOf(files, checkpoint) is not { } sections)
            {
                isKnown = false;
                continue;
            }
            needed.UnionWith(sections);
            if (!options.IsDryRun) repository.Catalog.TrimPacks(checkpoint.Id, sections);
        }
        return isKnown ? new CheckpointNeeds(listed.Select(checkpoint => checkpoint.Id).ToHashSet(), needed) : null;
    }

    /// <summary>Rewrites what is worth it.</summary>
    public void Run(CheckpointNeeds needs, IReadOnlyCollection<Ulid> deadPinners, CancellationToken cancellation)
    {
        var catalog = repository.Catalog;
        var candidates = catalog.Compactable(deadPinners)
            .Select(pack => new Candidate(
                pack.Key, pack.Value, [.. catalog.Entries(pack.Key).Where(entry => entry.IsSection && needs.Sections.Contains(entry.Digest))]))
            .Where(pack => pack.NeededBytes < pack.Length * options.CompactBelow)
            .OrderBy(pack => pack.Pack)
            .ToList();
        using var files = repository.OpenPacks();
        foreach (var batch in Batches(candidates))
        {
            cancellation.ThrowIfCancellationRequested();
            if (options.IsDryRun)
            {
                _rewritten.AddRange(batch.Select(one => one.Pack));
                FreedBytes += batch.Sum(one => one.Length - one.NeededBytes);
            }
            else
            {
                Rewrite(files, batch, needs.Checkpoints, deadPinners, cancellation);
            }
        }
    }

    private HashSet<Digest>? SectionsOf(PackFiles files, CheckpointInfo checkpoint)
    {
        try
        {
            var sections = new HashSet<Digest>();
            foreach (var guest in checkpoint.Guests)
            {
                var place = repository.Catalog.FindManifest(checkpoint.Id, guest.Name);
                sections.UnionWith(files.Read(place.Pack, file => ManifestFormat.Read(file.ReadValue(place.Offset, place.Length), place.Offset)).Sections);
            }
            return sections;
        }
        catch (SnapshotException error) when (error.Code is ErrorCode.VerificationFailed or ErrorCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>Packs whose needed sections fill one new pack.</summary>
    private static IEnumerable<List<Candidate>> Batches(List<Candidate> candidates)
    {
        var batch = new List<Candidate>();
        foreach (var candidate in candidates)
        {
            if (batch.Count > 0 && batch.Sum(one => one.NeededBytes) + candidate.NeededBytes > CheckpointOptions.DefaultPackSize)
            {
                yield return batch;
                batch = [];
            }
            batch.Add(candidate);
        }
        if (batch.Count > 0) yield return batch;
    }

    private void Rewrite(
        PackFiles files, List<Candidate> batch, IReadOnlySet<Ulid> checkpoints, IReadOnlyCollection<Ulid> deadPinners, CancellationToken cancellation)
    {
        var id = new PackId(job.Id, ++_created);
        var path = Path.Combine(repository.Paths.Packs, id.FileName);
        IReadOnlyList<PackId> gone = [];
        try
        {
            var (pack, moved) = Copy(files, batch, id, cancellation);
            gone = repository.Catalog.Replace(moved, pack, checkpoints, deadPinners, job);
            options.Step("swapped");
            FreedBytes += batch.Where(one => gone.Contains(one.Pack)).Sum(one => one.Length) - (gone.Count > 0 ? pack.Length : 0);
        }
        finally
        {
            if (gone.Count == 0) File.Delete(path);
        }
        foreach (var old in gone)
        {
            File.Delete(Path.Combine(repository.Paths.Packs, old.FileName));
            _rewritten.Add(old);
            options.Step("removed");
        }
    }

    private (CatalogPack Pack, List<PackId> Moved) Copy(PackFiles files, List<Candidate> batch, PackId id, CancellationToken cancellation)
    {
        using var writer = PackWriter.Create(repository.Paths.Packs, new PackHeader(repository.Id, id, repository.Protection is not null), repository.Protection);
        options.Step("created");
        var moved = new List<PackId>();
        foreach (var candidate in batch)
        {
            cancellation.ThrowIfCancellationRequested();
            if (TryCopy(files, candidate, writer)) moved.Add(candidate.Pack);
        }
        options.Step("copied");
        writer.Finish();
        writer.FlushAsync().GetAwaiter().GetResult();
        options.Step("flushed");
        return (new CatalogPack(id, writer.Length, writer.Entries), moved);
    }

    /// <summary>Copies sections as they are, once they were checked. A pack with a section that does not hold stays, for 'verify' to tell of.</summary>
    private static bool TryCopy(PackFiles files, Candidate candidate, PackWriter writer)
    {
        using var buffers = new NativeBufferPool(PackFile.SectionBufferLength, 2);
        using var stored = buffers.Rent();
        using var decoded = buffers.Rent();
        try
        {
            foreach (var section in candidate.Needed)
            {
                files.Read(candidate.Pack, file =>
                {
                    var head = file.ReadSection(section.In(candidate.Pack), stored.Span, out var value);
                    SectionReader.Decode(head, value, section.Offset, decoded.Span[..head.RawLength]);
                    return writer.Append(PackFormat.SectionTag, section.Digest, value);
                });
            }
            return true;
        }
        catch (SnapshotException error) when (error.Code == ErrorCode.VerificationFailed)
        {
            return false;
        }
    }

    /// <summary>A pack, and the sections in it that are needed.</summary>
    private sealed record Candidate(PackId Pack, long Length, IReadOnlyList<PackEntry> Needed)
    {
        public long NeededBytes { get; } = Needed.Sum(section => (long)section.Length);
    }
}
