namespace Cutpoint.Repository;

// What lets another process go on: where the pages of sections are is written behind them, and read back before the first page.
public sealed partial class CheckpointWriter
{
    /// <summary>Octets of pages after which it is written where they are; a process that dies loses no more than these and what the pack's buffers hold.</summary>
    private const long PlacementInterval = 16 << 20;

    /// <summary>Chunks of zero pages only have no octets, but have to be placed too.</summary>
    private const int MaxUnplaced = 1024;

    private readonly IReadOnlyList<Placement> _recovered;
    private readonly List<Placement> _unplaced = [];
    private long _unplacedBytes;
    private int _lastPack;
    private bool _isLeft;

    /// <summary>The checkpoint, when a process before this one came so far that only its end had to be told; then there is nothing left to write.</summary>
    public CheckpointInfo? Committed { get; }

    /// <summary>Octets that processes before this one had made durable.</summary>
    public long RecoveredBytes { get; private set; }

    /// <summary>
    /// Lets go of a resumable job without ending it: what was appended becomes durable, and another process may go on. After a commit, this is what the
    /// disposal is.
    /// </summary>
    public async ValueTask LeaveAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (_isEnded || !_options.IsResumable) return;
            _registration.Keep();
            _isEnded = _isLeft = true;
            await _flushing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            WritePlacements();
            if (_pack is { } pack) await pack.FlushAsync().ConfigureAwait(false);
        }
        catch (SnapshotException)
        {
            // What cannot be written now is stored again by the next process.
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>A pack of a process before this one.</summary>
    private void TakeOver(CatalogPack pack)
    {
        _finished.Add(pack);
        _paths.Add(Path.Combine(_repository.Paths.Packs, pack.Id.FileName));
        _lastPack = Math.Max(_lastPack, pack.Id.Number);
        RecoveredBytes += pack.Length;
        foreach (var entry in pack.Entries)
        {
            if (entry.IsSection) _own.TryAdd(entry.Digest, entry.In(pack.Id));
        }
    }

    private void Place(GuestManifestBuilder guest, EncodedSection section)
    {
        var block = guest.Blocks[section.Block];
        _unplaced.Add(new Placement(guest.Name, block.Name, block.Length, section.RawLength == 0 ? default : section.Identity, section.Extents.ToArray()));
        _unplacedBytes += section.RawLength;
        if (_unplacedBytes >= PlacementInterval || _unplaced.Count >= MaxUnplaced) WritePlacements();
    }

    /// <summary>Says in the pack where the pages of the last sections are. It may grow a little longer than packs should be.</summary>
    private void WritePlacements()
    {
        if (_unplaced.Count == 0) return;
        _pack ??= CreatePack();
        var value = PlacementFormat.Write(_unplaced, out var digest);
        WrittenBytes += _pack.Append(PackFormat.PlacementTag, digest, value).Length;
        _unplaced.Clear();
        _unplacedBytes = 0;
    }

    /// <summary>Lets a guest start from what a process before this one has stored of it.</summary>
    private void Restart(GuestManifestBuilder guest)
    {
        foreach (var placement in _recovered)
        {
            if (placement.Guest != guest.Name) continue;
            var block = guest.Blocks.ToList().FindIndex(one => one.Name == placement.Block && one.Length == placement.BlockLength);
            if (block < 0) continue;
            var number = 0;
            if (placement.Section != default)
            {
                // What was found in another checkpoint may have gone with it; its pages are stored again.
                if (Find(placement.Section) is not { } section) continue;
                number = guest.Number(section, isReused: section.Pack.Job != Id);
                if (section.Pack.Job == Id) guest.StoredBytes += section.Length;
            }
            guest.Apply(block, placement.Extents, number);
        }
    }
}
