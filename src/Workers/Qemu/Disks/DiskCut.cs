using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// Freezes a guest's disks at its cut. Everything that takes time is done while the guest runs:
/// <code>
/// prepare   note the overlays, make their files, open them                        (guest runs)
/// freeze    one transaction puts every overlay above its image                    (guest stands still, its devices are not read yet)
/// keep      the checkpoint is safe: the overlays stay until it is forgotten
/// leave     nobody knows whether it is: they stay until somebody says
/// dispose   without either: what was written since goes back into the images      (guest runs again)
/// </code>
/// A cut that is tried again begins with merging the overlays of the void one. One call at a time.
/// </summary>
internal sealed class DiskCut : IAsyncDisposable
{
    /// <summary>What QEMU needs for the transaction: it flushes the images and opens the overlays' metadata. Measured: 5 to 9 ms for one to three disks.</summary>
    private static readonly TimeSpan TransactionTime = TimeSpan.FromMilliseconds(10);

    private readonly QemuSession _session;
    private readonly OverlayLedger _ledger;
    private readonly OverlayMerge _merge;
    private readonly IReadOnlyList<BlockDevice> _disks;
    private readonly IReadOnlyList<string> _others;
    private readonly string? _directory;
    private readonly CaptureOptions _options;
    private readonly TimeProvider _time;
    private OverlayEntry? _entry;
    private bool _isFrozen;
    private bool _stay;

    /// <summary>Chooses the disks; changes nothing.</summary>
    /// <param name="session">The guest; its owner disposes it before this.</param>
    /// <param name="guest">What it is.</param>
    /// <param name="devices">Its disks with an image in them.</param>
    /// <param name="directory">QEMU's working directory, if known.</param>
    /// <param name="options">The capture's options.</param>
    /// <param name="ledger">Where overlays are noted.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="SnapshotException">A disk cannot be frozen; a preflight error.</exception>
    public DiskCut(
        QemuSession session, GuestDescription guest, IReadOnlyList<BlockDevice> devices, string? directory, CaptureOptions options, OverlayLedger ledger,
        TimeProvider time)
    {
        (_session, _directory, _options, _ledger, _time) = (session, directory, options, ledger, time);
        _merge = new OverlayMerge(ledger, time);
        _disks = options.NoDisks ? [] : DiskPlan.Choose(guest, devices, File.Exists);
        _others = [.. devices.Except(_disks).Select(device => device.Text)];
    }

    /// <summary>True when there is nothing to freeze.</summary>
    public bool IsEmpty => _disks.Count == 0;

    /// <summary>What freezing adds to the pause.</summary>
    public TimeSpan Pause => IsEmpty ? TimeSpan.Zero : TransactionTime;

    /// <summary>
    /// Gets the overlays ready; the guest runs. Done again before every stop, it finds out whether the disks are still those that were prepared for, and whether a
    /// cut was void.
    /// </summary>
    /// <exception cref="SnapshotException">An overlay cannot be made, or the guest's disks have changed.</exception>
    public async Task PrepareAsync(CancellationToken cancellation)
    {
        if (IsEmpty) return;
        if (_isFrozen && _entry is { } made)
        {
            await _merge.RunAsync(_session.Monitor, made, cancellation);
            (_entry, _isFrozen) = (null, false);
        }
        await CheckAsync(cancellation);
        if (_entry is not null) return;
        var id = Ulid.Create(_time);
        var entry = new OverlayEntry
        {
            Id = id.ToString(),
            Repository = _options.Repository,
            Checkpoint = _options.Checkpoint,
            Socket = _session.Monitor.Path,
            Boot = ProcessIdentity.Boot,
            Qemu = _session.Qemu,
            Worker = ProcessIdentity.Self,
            Overlays = DiskPlan.Name(_disks, id),
        };
        _ledger.Write(entry);
        _entry = entry;
        foreach (var (overlay, disk) in entry.Overlays.Zip(_disks)) await _session.Monitor.AddOverlayAsync(overlay, disk, _time, cancellation);
    }

    /// <summary>Freezes the images. The guest stands still, and its device state is not written yet, since QEMU gives its images away with that.</summary>
    public async Task FreezeAsync(CancellationToken cancellation)
    {
        if (_entry is not { } entry) return;
        // Whatever becomes of the command: an overlay may be in use from here on.
        _isFrozen = true;
        await _session.Monitor.SnapshotAsync(entry.Overlays, cancellation);
    }

    /// <summary>The guest with its disks as of the cut.</summary>
    public GuestDescription Describe(GuestDescription guest) => guest with
    {
        Disks = _others,
        DiskSnapshots =
        [
            .. (_entry?.Overlays ?? []).Select(overlay => new DiskSnapshot(overlay.Device, overlay.Format, overlay.Octets, overlay.Chain, overlay.Path)
            {
                WrittenAt = File.GetLastWriteTimeUtc(overlay.Image),
                Host = Environment.MachineName,
            }),
        ],
    };

    /// <summary>Says that the checkpoint is safe.</summary>
    public void Keep() => _stay = true;

    /// <summary>Says that nobody knows whether the checkpoint is safe.</summary>
    public void Leave() => _stay = true;

    /// <summary>
    /// Merges back what is not kept; the session has ended before, so the guest runs and its monitor is free. Takes no cancellation, but the user may end the
    /// process: the note stays then.
    /// </summary>
    /// <exception cref="SnapshotException">It could not be merged; the guest goes on with the overlays, and the note stays.</exception>
    public async ValueTask DisposeAsync()
    {
        if (_entry is not { } entry) return;
        _entry = null;
        try
        {
            if (!_stay) await _merge.RunAsync(entry, CancellationToken.None);
        }
        catch
        {
            _ledger.Write(entry with { Worker = null });
            throw;
        }
        // Whoever forgets the checkpoint, or finds that there is none, may merge them, also while this process lives.
        if (_stay) _ledger.Write(entry with { Worker = null });
    }

    private async Task CheckAsync(CancellationToken cancellation)
    {
        var jobs = await _session.Monitor.QueryBlockJobsAsync(cancellation);
        if (jobs.Count > 0)
        {
            throw new SnapshotException(
                ErrorCode.Locked, $"{_session.Monitor.Path}: a job of somebody else is at work on a disk ({string.Join(", ", jobs)})",
                "wait until it is over ('query-block-jobs'), or take the guest with --no-disks");
        }
        var now = await _session.Monitor.QueryBlockAsync(_directory, cancellation);
        foreach (var disk in _disks)
        {
            if (now.Any(other => other.Name == disk.Name && other.Node == disk.Node && other.Octets == disk.Octets)) continue;
            throw new SnapshotException(
                ErrorCode.Failed, $"{_session.Monitor.Path}: disk {disk.Name} was changed or resized while the checkpoint was taken", "take it again");
        }
        if (now.Count(device => !device.IsReadOnly) != _disks.Count)
            throw new SnapshotException(ErrorCode.Failed, $"{_session.Monitor.Path}: a disk was plugged in while the checkpoint was taken", "take it again");
    }
}
