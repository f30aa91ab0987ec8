using System.Collections.Concurrent;
using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Writes one checkpoint into packs of its own, and makes it visible by one commit. Disposing without a commit removes what was written; a
/// process that dies leaves it to <c>gc</c>, or to the next process of a job that can be resumed. <see cref="Encode(PageChunk)"/> may be called concurrently; of the other calls one at a time
/// runs, the others wait.
/// </summary>
public sealed partial class CheckpointWriter : IAsyncDisposable
{
    private readonly DirectoryRepository _repository;
    private readonly CheckpointOptions _options;
    private readonly JobRegistration _registration;
    private readonly SectionEncoder _encoder;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly ConcurrentDictionary<Digest, SectionRef> _own = new();
    private readonly ConcurrentDictionary<PackId, long> _lengths = new();
    private readonly List<GuestManifestBuilder> _guests = [];
    private readonly List<CatalogPack> _finished = [];
    private readonly List<string> _paths = [];
    private Task _flushing = Task.CompletedTask;
    private PackWriter? _pack;
    private bool _isCommitting;
    private bool _isEnded;

    internal CheckpointWriter(
        DirectoryRepository repository, CheckpointOptions options, JobRegistration registration, CheckpointInfo? committed, RecoveredJob? recovered)
    {
        _repository = repository;
        _options = options;
        _registration = registration;
        _encoder = new SectionEncoder(options.Codec, Find, identity: repository.Identity);
        Committed = committed;
        _isEnded = committed is not null;
        _lastPack = registration.LastPack;
        _recovered = recovered?.Placements ?? [];
        foreach (var pack in recovered?.Packs ?? []) TakeOver(pack);
    }

    /// <summary>The job's name, and that of the checkpoint to be.</summary>
    public Ulid Id => _registration.Id;

    /// <summary>Cancelled when this process has lost the job: another may go on with it, and this writer writes nothing more.</summary>
    public CancellationToken Lost => _registration.Lost;

    /// <summary>Refuses when this process has lost the job.</summary>
    /// <exception cref="SnapshotException">It has (<see cref="ErrorCode.Locked"/>).</exception>
    public void CheckOwned() => _registration.CheckOwned();

    /// <summary>How sections of this checkpoint are known.</summary>
    internal SectionIdentity Identity => _repository.Identity;

    /// <summary>A directory for the job's scratch files; it goes when the writer is disposed.</summary>
    public string ScratchDirectory => _registration.Directory;

    /// <summary>Octets this process has written into packs so far.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>What the job notes about itself, as JSON; stored with the commit.</summary>
    public string Record { get; set; } = "{}";

    /// <summary>Adds a guest.</summary>
    /// <param name="name">Its name, unique within the checkpoint, 1 to 255 octets.</param>
    /// <param name="blocks">Its RAM blocks; chunks name a block by its place in this list.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public ValueTask<GuestManifestBuilder> AddGuestAsync(string name, IReadOnlyList<RamBlock> blocks, CancellationToken cancellation) =>
        InTurnAsync(
        () =>
        {
            var guest = AddGuest(name, blocks);
            Restart(guest);
            return guest;
        },
        cancellation);

    /// <summary>
    /// Adds a guest whose pages are those of an earlier checkpoint until others take their place. Nothing is copied; blocks of the same
    /// name and length are taken over, devices are not.
    /// </summary>
    /// <param name="name">Its name, unique within the checkpoint.</param>
    /// <param name="blocks">Its RAM blocks.</param>
    /// <param name="based">The guest it starts from. The reader must stay open until the call returns.</param>
    /// <param name="cancellation">Cancels the call.</param>
    /// <exception cref="SnapshotException">The earlier checkpoint was forgotten meanwhile.</exception>
    public ValueTask<GuestManifestBuilder> AddGuestAsync(
        string name, IReadOnlyList<RamBlock> blocks, GuestReader based, CancellationToken cancellation) => InTurnAsync(
        () =>
        {
            ArgumentNullException.ThrowIfNull(based);
            if (!_repository.Catalog.PinCheckpoint(based.Checkpoint, Id))
                throw new SnapshotException(
                    ErrorCode.NotFound, $"checkpoint {based.Checkpoint} was forgotten meanwhile", "name another base");
            var guest = AddGuest(name, blocks);
            guest.StartFrom(based.Manifest, based.SectionRefs);
            Restart(guest);
            return guest;
        },
        cancellation);

    /// <summary>
    /// Says which of the guests the checkpoint is to hold, and in which order; until then it is all, in the order they were added. What was appended for
    /// others becomes garbage.
    /// </summary>
    /// <param name="names">Names of guests that were added.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public async ValueTask ChooseGuestsAsync(IReadOnlyList<string> names, CancellationToken cancellation) => await InTurnAsync(
        () =>
        {
            List<GuestManifestBuilder> chosen = [.. names.Select(name => _guests.Find(guest => guest.Name == name)
                ?? throw new ArgumentException($"No guest '{name}' was added.", nameof(names)))];
            _guests.Clear();
            _guests.AddRange(chosen);
            return chosen.Count;
        },
        cancellation).ConfigureAwait(false);

    /// <summary>
    /// Hands out the hash of every page the guest's manifest names so far, as they were taken over the stored octets, so that only pages which differ from
    /// them need be stored. Sections that are missing or whose head does not hold are taken out of the manifest: their pages count as never stored.
    /// </summary>
    /// <param name="guest">The guest; its pages are those of its base.</param>
    /// <param name="handler">Takes the hashes.</param>
    /// <param name="cancellation">Cancels the call.</param>
    public ValueTask<KnownPages> ReadKnownPagesAsync(GuestManifestBuilder guest, PageHashHandler handler, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentNullException.ThrowIfNull(handler);
        return new(Task.Run(() => InTurnAsync(() => ReadKnownPages(guest, handler, cancellation), cancellation).AsTask(), cancellation));
    }

    /// <summary>
    /// Encodes the pages of a chunk, unless equal content is stored already. CPU-bound; safe for concurrent use. Takes the chunk over.
    /// </summary>
    public EncodedSection Encode(PageChunk chunk) => _encoder.Encode(chunk);

    /// <summary>Takes in a section of pages that another node has encoded. Safe for concurrent use.</summary>
    /// <inheritdoc cref="SectionEncoder.Receive"/>
    public EncodedSection Receive(int block, ReadOnlySpan<ExtentPages> extents, ReadOnlySpan<byte> value) => _encoder.Receive(block, extents, value);

    /// <summary>
    /// Appends a section of pages and notes in the guest's manifest where they are. Takes the section over. What is appended later counts
    /// more, so the calls for one page must come in the order of its contents.
    /// </summary>
    /// <exception cref="SnapshotException">The pack cannot be written; the job cannot go on.</exception>
    public ValueTask AppendAsync(GuestManifestBuilder guest, EncodedSection section, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentNullException.ThrowIfNull(section);
        return AppendOwnedAsync(guest, section, cancellation);
    }

    /// <summary>Stores the state of a unit without pages. One of the same unit takes the place of the earlier.</summary>
    public async ValueTask AppendAsync(GuestManifestBuilder guest, DeviceState device, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentNullException.ThrowIfNull(device);
        CheckpointOptions.CheckText(device.Unit.Name, "the unit's name", 1);
        await InTurnAsync(
            () =>
            {
                var info = new DeviceInfo(device.Unit, device.Version, device.State.Length, device.Description.Length)
                {
                    StateSections = StoreState(guest, device.State.Span),
                    DescriptionSections = StoreState(guest, device.Description.Span),
                };
                guest.Apply(info);
                return info;
            },
            cancellation).ConfigureAwait(false);
    }

    /// <summary>Begins to make durable what is in the pack so far. Does not wait for the disk; what it fails of is told by the next call that appends.</summary>
    public async ValueTask SettleAsync(CancellationToken cancellation) => await InTurnAsync(
        () =>
        {
            _pack?.BeginFlush();
            return true;
        },
        cancellation).ConfigureAwait(false);

    /// <summary>Returns when everything appended so far is durable.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await _flushing.WaitAsync(cancellation).ConfigureAwait(false);
            WritePlacements();
            if (_pack is { } pack) await pack.FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// Makes the checkpoint durable and visible, as a whole: before this returns nobody sees it, and when it throws nobody ever will.
    /// </summary>
    /// <exception cref="SnapshotException">It could not be stored.</exception>
    public async ValueTask<CheckpointInfo> CommitAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            ThrowIfEnded();
            if (_guests.Count == 0) throw new InvalidOperationException("A checkpoint has at least one guest.");
            await _flushing.WaitAsync(cancellation).ConfigureAwait(false);
            return await Task.Run(() => Commit(cancellation), cancellation).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends the job. Without a commit before, its packs are removed, unless it was left to another process.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await _flushing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _pack?.Dispose();
            _encoder.Dispose();
            _isLeft |= !_isEnded && !MayRemove();
            if (!_isEnded && !_isLeft)
            {
                foreach (var path in _paths) File.Delete(path);
            }
            _isEnded = true;
            if (!_isLeft) _repository.Catalog.Unpin(Id);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, _repository.Paths.Packs, "remove packs of");
        }
        finally
        {
            if (_isLeft) _registration.Leave();
            else _registration.Dispose();
            _turn.Release();
        }
    }

    private GuestManifestBuilder AddGuest(string name, IReadOnlyList<RamBlock> blocks)
    {
        CheckpointOptions.CheckText(name, "the guest's name", 1);
        ArgumentNullException.ThrowIfNull(blocks);
        if (_guests.Exists(other => other.Name == name))
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"two guests of the checkpoint are named '{name}'", "give each guest a name of its own")
            {
                IsPreflight = true,
            };
        }
        foreach (var block in blocks)
        {
            CheckpointOptions.CheckText(block.Name, "the name of a RAM block", 1);
            if (block.Length <= 0 || block.Length % Paging.PageSize != 0)
                throw new ArgumentException($"RAM block '{block.Name}' has no whole pages.", nameof(blocks));
        }
        // Before this nothing is stored that would be worth it.
        if (_options.IsResumable) _registration.Keep();
        var guest = new GuestManifestBuilder(name, [.. blocks]);
        _guests.Add(guest);
        return guest;
    }

    private KnownPages ReadKnownPages(GuestManifestBuilder guest, PageHashHandler handler, CancellationToken cancellation)
    {
        using var files = _repository.OpenPacks();
        using var reader = new SectionReader(files);
        var hashes = new PageHashReader(reader);
        var uses = new SectionUses(guest.Maps, [.. guest.Sections.Select(section => (SectionRef?)section)]);
        long pages = 0;
        var lost = new List<Digest>();
        foreach (var section in uses.Order)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                hashes.Read(guest.Sections[section], uses.Of(section), handler);
                foreach (var use in uses.Of(section)) pages += BitOperations.PopCount(use.Entry.Mask);
            }
            catch (SnapshotException)
            {
                foreach (var use in uses.Of(section)) guest.Drop(use.Block, new ExtentPages(use.Extent, use.Entry.Mask, 0));
                lost.Add(guest.Sections[section].Identity);
            }
        }
        _repository.Catalog.Mark(lost, areDamaged: true);
        return new KnownPages(pages, lost.Count);
    }

    private async ValueTask AppendOwnedAsync(GuestManifestBuilder guest, EncodedSection section, CancellationToken cancellation)
    {
        using (section)
        {
            await _turn.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                ThrowIfEnded();
                var number = section.RawLength == 0 ? 0 : Store(guest, section);
                guest.Apply(section.Block, section.Extents, number);
                if (_options.IsResumable) Place(guest, section);
            }
            finally
            {
                _turn.Release();
            }
        }
    }

    private CheckpointInfo Commit(CancellationToken cancellation)
    {
        // Crowded extents are read back.
        _pack?.WriteAsync().GetAwaiter().GetResult();
        using var files = _repository.OpenPacks();
        using var reader = new SectionReader(files);
        foreach (var guest in _guests)
            new ExtentRewriter(_repository.Hasher, reader, _encoder, section => Store(guest, section)).Rewrite(guest, cancellation);
        cancellation.ThrowIfCancellationRequested();
        // The manifests say the same for good.
        _unplaced.Clear();

        var manifests = new List<SectionRef>();
        var guests = new List<GuestInfo>();
        var sections = new HashSet<Digest>();
        foreach (var guest in _guests)
        {
            var manifest = guest.Build(out var content, out var reused);
            var value = ManifestFormat.Write(manifest, out var root);
            manifests.Add(AppendValue(PackFormat.ManifestTag, root, value));
            guest.StoredBytes += manifests[^1].Length;
            guests.Add(new GuestInfo(guest.Name, root, guest.Blocks.Sum(block => block.Length), content, reused, guest.StoredBytes));
            sections.UnionWith(manifest.Sections);
        }
        _flushing.GetAwaiter().GetResult();
        _pack!.FlushAsync().GetAwaiter().GetResult();

        // Everything the record names is durable now, so the record may be found after a crash.
        var info = new CheckpointInfo(Id, _options.Name, _repository.Now, default, _options.Labels, guests);
        var record = CommitFormat.Write(info, Record, out var commitRoot);
        info = info with { Root = commitRoot };
        var place = AppendValue(PackFormat.CommitTag, commitRoot, record);
        FinishPack();
        _flushing.GetAwaiter().GetResult();
        cancellation.ThrowIfCancellationRequested();
        _isCommitting = true;
        _repository.Catalog.Commit(_finished, [new CatalogCommit(info, place, manifests, sections)], _registration);
        _isEnded = true;
        return info;
    }

    private async ValueTask<T> InTurnAsync<T>(Func<T> work, CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            ThrowIfEnded();
            return work();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>False when the packs are another's now, or a checkpoint's: a commit that failed may have taken place all the same.</summary>
    private bool MayRemove()
    {
        try
        {
            _registration.CheckOwned();
            return !_isCommitting || _repository.Catalog.List().All(checkpoint => checkpoint.Id != Id);
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    private void ThrowIfEnded()
    {
        ObjectDisposedException.ThrowIf(_isEnded, this);
        _registration.CheckOwned();
    }
}
