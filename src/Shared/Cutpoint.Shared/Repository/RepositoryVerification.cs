namespace Cutpoint.Repository;

/// <summary>Verifies checkpoints: first every octet of the packs they need, then what the manifests and the catalog make of them.</summary>
internal sealed class RepositoryVerification(
    DirectoryRepository repository, VerifyOptions options, IProgress<VerifyProgress>? progress) : IDisposable
{
    private readonly List<VerifyFinding> _findings = [];
    private readonly PackFiles _files = repository.OpenPacks();

    /// <summary>Damaged places by pack, each with the parts it hits.</summary>
    private readonly Dictionary<PackId, List<Damage>> _damages = [];

    private IProgress<VerifyProgress>? Progress => progress;

    private long _done;
    private long _total;
    private long _sections;
    private long _sectionsRead;

    public VerifyReport Run(CancellationToken cancellation)
    {
        var selected = options.Checkpoints;
        var catalog = repository.Catalog;
        foreach (var line in catalog.Check()) _findings.Add(new VerifyFinding("catalog", line, []));
        var listed = catalog.List();
        var checkpoints = selected ?? listed;
        var packs = selected is null
            ? catalog.Packs()
            : checkpoints.SelectMany(one => catalog.Packs(one.Id)).DistinctBy(pack => pack.Key).ToDictionary();
        if (options.OnlyNew)
        {
            var verified = catalog.Verified();
            packs = packs.Where(pack => !verified.Contains(pack.Key)).ToDictionary();
        }
        _total = (long)(packs.Values.Sum() * (options.Sample?.Share ?? 1));
        foreach (var (id, length) in packs.OrderBy(pack => pack.Key)) VerifyPack(id, length, cancellation);
        foreach (var checkpoint in checkpoints) VerifyCheckpoint(checkpoint, cancellation);
        foreach (var (id, damages) in _damages.OrderBy(pack => pack.Key))
        {
            foreach (var damage in damages)
            {
                var location = damage.HitsAll ? $"pack {id}" : $"pack {id}, offset {damage.Offset}";
                _findings.Add(new VerifyFinding(location, damage.Reason, [.. damage.Affected.Distinct()]));
            }
        }
        return new VerifyReport(checkpoints.Count, packs.Count, _sections, _done, _findings) { SectionsRead = _sectionsRead };
    }

    public void Dispose() => _files.Dispose();

    private void VerifyPack(PackId id, long length, CancellationToken cancellation)
    {
        var known = repository.Catalog.Entries(id);
        try
        {
            using var file = PackFile.Open(repository.Paths.Packs, id, repository.Protection);
            var verification = new PackVerification(repository.Id, repository.Hasher, repository.Identity, file, known, length, options.Sample);
            verification.Run(new Counter(this), cancellation);
            if (verification.Damages.Count > 0)
                _damages[id] = [.. verification.Damages.Select(damage => new Damage(damage.Offset, damage.Reason))];
            _sections += verification.SectionCount;
            _sectionsRead += verification.ReadCount;
        }
        catch (SnapshotException error)
        {
            _damages[id] = [new Damage(0, error.Message) { HitsAll = true }];
        }
        if (!repository.IsReadOnly) Note(id, known);
    }

    /// <summary>Notes what was found, so that nothing new is built on what does not hold, and a later verification can leave out what does.</summary>
    private void Note(PackId id, IReadOnlyList<PackEntry> known)
    {
        var damages = _damages.GetValueOrDefault(id) ?? [];
        var sections = known.Where(entry => entry.IsSection).ToLookup(entry => damages.Exists(damage => damage.Hits(entry.Offset, entry.Length)), entry => entry.Digest);
        repository.Catalog.Mark([.. sections[true]], areDamaged: true);
        if (options.Sample is not null) return;
        // A pack that was put back from a copy is good again.
        repository.Catalog.Mark([.. sections[false]], areDamaged: false);
        repository.Catalog.NoteVerified(id, damages.Count == 0 ? repository.Now : null);
    }

    private void VerifyCheckpoint(CheckpointInfo listed, CancellationToken cancellation)
    {
        try
        {
            var place = repository.Catalog.FindCommit(listed.Id);
            if (Hit(place, new AffectedPart(listed.Id, null, null))) return;
            var info = _files.Read(place.Pack, file => CommitFormat.Read(file.ReadValue(place.Offset, place.Length), place.Offset, out _));
            if (!IsSame(info, listed))
                _findings.Add(
                    new VerifyFinding(
                        "catalog", $"it lists checkpoint {listed.Id} otherwise than its commit record",
                        [new AffectedPart(listed.Id, null, null)]));
            var needed = new HashSet<PackId> { place.Pack };
            foreach (var guest in info.Guests) VerifyGuest(info, guest, needed, cancellation);
            needed.ExceptWith(repository.Catalog.Packs(listed.Id).Keys);
            foreach (var pack in needed.Order())
            {
                // Not damage yet, but the next collection would take the pack away.
                _findings.Add(
                    new VerifyFinding(
                        "catalog", $"it does not know that checkpoint {listed.Id} needs pack {pack}",
                        [new AffectedPart(listed.Id, null, null)]));
            }
        }
        catch (SnapshotException error)
        {
            _findings.Add(new VerifyFinding($"checkpoint {listed.Id}", error.Message, [new AffectedPart(listed.Id, null, null)]));
        }
    }

    private void VerifyGuest(CheckpointInfo checkpoint, GuestInfo guest, HashSet<PackId> needed, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var whole = new AffectedPart(checkpoint.Id, guest.Name, null);
        try
        {
            var place = repository.Catalog.FindManifest(checkpoint.Id, guest.Name);
            needed.Add(place.Pack);
            if (Hit(place, whole)) return;
            var manifest = _files.Read(place.Pack, file => ManifestFormat.Read(file.ReadValue(place.Offset, place.Length), place.Offset));
            if (manifest.Root != guest.Root || manifest.Name != guest.Name)
            {
                _findings.Add(
                    new VerifyFinding(
                        $"pack {place.Pack}, offset {place.Offset}", $"this is not the manifest of guest '{guest.Name}'", [whole]));
                return;
            }
            VerifySections(checkpoint, manifest, needed, cancellation);
        }
        catch (SnapshotException error)
        {
            _findings.Add(new VerifyFinding($"checkpoint {checkpoint.Id}", error.Message, [whole]));
        }
    }

    private void VerifySections(CheckpointInfo checkpoint, GuestManifest manifest, HashSet<PackId> needed, CancellationToken cancellation)
    {
        var places = Array.ConvertAll(manifest.Sections, identity => repository.Catalog.Find(identity));
        var states = manifest.Devices.SelectMany(
            device =>
                device.StateSections.Concat(device.DescriptionSections).Select(
                    section => (Section: section, Part: $"device {device.Unit}")))
            .ToLookup(state => state.Section, state => state.Part);
        using var reader = new SectionReader(_files);
        var octets = new byte[PackFile.HeadBufferLength];
        var uses = new SectionUses(manifest.Maps, places);
        for (var section = 0; section < places.Length; section++)
        {
            cancellation.ThrowIfCancellationRequested();
            var parts = new List<AffectedPart>();
            foreach (var use in uses.Of(section))
                parts.Add(new AffectedPart(checkpoint.Id, manifest.Name, $"RAM block '{manifest.Blocks[use.Block].Name}'"));
            foreach (var part in states[section]) parts.Add(new AffectedPart(checkpoint.Id, manifest.Name, part));
            if (places[section] is not { } place)
            {
                _findings.Add(new VerifyFinding("catalog", $"section {manifest.Sections[section]} is not in it", [.. parts.Distinct()]));
                continue;
            }
            needed.Add(place.Pack);
            if (HitAny(place, parts)) continue;
            try
            {
                var head = reader.ReadHead(place, octets);
                if (head.Kind == SectionKind.Pages && states.Contains(section))
                    throw PackFormat.Damaged(place.Offset, "a device's state is in a section of pages");
                foreach (var use in uses.Of(section)) ExtentCopy.Check(head, use.Entry);
            }
            catch (SnapshotException error)
            {
                _findings.Add(new VerifyFinding($"pack {place.Pack}, offset {place.Offset}", error.Message, [.. parts.Distinct()]));
            }
        }
    }

    private bool Hit(SectionRef place, AffectedPart part) => HitAny(place, [part]);

    /// <summary>Notes whom a damage hits, when there is one in a place.</summary>
    private bool HitAny(SectionRef place, IReadOnlyList<AffectedPart> parts)
    {
        if (!_damages.TryGetValue(place.Pack, out var damages)) return false;
        var isHit = false;
        foreach (var damage in damages)
        {
            if (!damage.Hits(place.Offset, place.Length)) continue;
            damage.Affected.AddRange(parts);
            isHit = true;
        }
        return isHit;
    }

    private static bool IsSame(CheckpointInfo left, CheckpointInfo right) =>
        left with { Labels = right.Labels, Guests = right.Guests } == right
        && left.Labels.Count == right.Labels.Count
        && left.Labels.All(label => right.Labels.TryGetValue(label.Key, out var value) && value == label.Value)
        && left.Guests.SequenceEqual(right.Guests);

    /// <param name="Offset">Where it is in the pack.</param>
    /// <param name="Reason">What does not hold.</param>
    private sealed record Damage(long Offset, string Reason)
    {
        /// <summary>True when nothing of the pack can be read.</summary>
        public bool HitsAll { get; init; }

        public List<AffectedPart> Affected { get; } = [];

        public bool Hits(long offset, int length) => HitsAll || (Offset >= offset && Offset < offset + length);
    }

    private sealed class Counter(RepositoryVerification owner) : IProgress<long>
    {
        public void Report(long value)
        {
            var done = Interlocked.Add(ref owner._done, value);
            // What a sample reads beside its sections is not known before.
            owner.Progress?.Report(new VerifyProgress(done, Math.Max(done, owner._total)));
        }
    }
}
