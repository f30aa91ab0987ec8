using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// Undoes a set of overlays: what the guest has written into each goes back into the image below it. Can be stopped anywhere and done again: a file is
/// removed only once no disk needs it, and a node only after its file.
/// </summary>
/// <param name="ledger">Where the set is noted.</param>
/// <param name="time">The clock.</param>
internal sealed class OverlayMerge(OverlayLedger ledger, TimeProvider time)
{
    /// <summary>Merges a set back and ends its note.</summary>
    /// <exception cref="SnapshotException">It cannot be now; the guest goes on with its overlays, and the note stays.</exception>
    public async Task RunAsync(OverlayEntry entry, CancellationToken cancellation)
    {
        await using var monitor = await QmpClient.ConnectAsync(entry.Socket, time, cancellation);
        if (entry.Qemu is { } qemu && monitor.PeerProcessId is { } peer && peer != qemu.Id) throw Gone(entry);
        await RunAsync(monitor, entry, cancellation);
    }

    /// <inheritdoc cref="RunAsync(OverlayEntry, CancellationToken)"/>
    public async Task RunAsync(QmpClient monitor, OverlayEntry entry, CancellationToken cancellation)
    {
        foreach (var overlay in entry.Overlays) await UndoAsync(monitor, entry, overlay, cancellation);
        ledger.Remove(entry);
    }

    /// <summary>Says what is left of a set whose QEMU has ended, and how to merge it by hand.</summary>
    public static SnapshotException Gone(OverlayEntry entry)
    {
        var left = entry.Overlays.Where(overlay => File.Exists(overlay.Path)).ToList();
        return new SnapshotException(
            ErrorCode.Failed,
            $"{entry.Socket}: the guest has ended and has left what it wrote in {string.Join(", ", left.Select(overlay => $"{overlay.Path} (on {overlay.Image})"))}",
            $"start it with these files as its disks, or merge them while nobody uses them: {string.Join("; ", left.Select(overlay => $"qemu-img commit {overlay.Path} && rm {overlay.Path}"))}");
    }

    private async Task UndoAsync(QmpClient monitor, OverlayEntry entry, DiskOverlay overlay, CancellationToken cancellation)
    {
        if (File.Exists(overlay.Path))
        {
            var disks = await monitor.QueryBlockAsync(null, cancellation);
            if (disks.Any(disk => disk.Node == overlay.Node)) await MergeAsync(monitor, overlay, cancellation);
            else if (disks.Any(disk => disk.Files.Contains(overlay.Path))) throw Stays(entry, overlay, "another image stands on it, or the disk uses it in another way");
            // Its image is what the disk uses: it never changed over, or was merged by somebody who died then. Any other overlay may hold what is nowhere else.
            else if (disks.All(disk => disk.Node != overlay.ImageNode) && (await monitor.QueryNodesAsync(cancellation)).GetValueOrDefault(overlay.Node, 1) > 0)
                throw Stays(entry, overlay, "the disk was unplugged");
            File.Delete(overlay.Path);
        }
        await monitor.RemoveNodesAsync(overlay, cancellation);
    }

    private async Task MergeAsync(QmpClient monitor, DiskOverlay overlay, CancellationToken cancellation)
    {
        try
        {
            await monitor.MergeAsync(overlay, time, cancellation);
        }
        catch (QmpException refused) when (refused.Failure == QmpFailure.Refused)
        {
            // "Failed to get "write" lock": a guest restored from the checkpoint reads the image. "inactive": the guest stands still since its migration.
            throw new SnapshotException(
                ErrorCode.Failed, $"{monitor.Path}: QEMU cannot merge {overlay.Path} back into {overlay.Image} now: {refused.QemuText}",
                "end the guests that were restored from the checkpoint, or continue this one if it stands still; then run 'cutpoint gc'", refused);
        }
    }

    private static SnapshotException Stays(OverlayEntry entry, DiskOverlay overlay, string reason) => new(
        ErrorCode.Failed, $"{entry.Socket}: {overlay.Path} is not merged back into {overlay.Image}: {reason}", "nothing is lost; merge it by hand when it is free");
}
