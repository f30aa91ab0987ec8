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
        await using var monitor = await ConnectAsync(entry, time, cancellation);
        await RunAsync(monitor, entry, cancellation);
    }

    /// <summary>Connects to the guest a set was made in.</summary>
    /// <exception cref="SnapshotException">It cannot be reached, or another one is there.</exception>
    public static async Task<QmpClient> ConnectAsync(OverlayEntry entry, TimeProvider time, CancellationToken cancellation)
    {
        var monitor = await QmpClient.ConnectAsync(entry.Socket, time, cancellation);
        if (entry.Qemu is not { } qemu || monitor.PeerProcessId is not { } peer || peer == qemu.Id) return monitor;
        await monitor.DisposeAsync();
        throw Gone(entry);
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

    /// <summary>Removes an overlay that is in no disk of its guest: it never came into use, or was merged by somebody who died then.</summary>
    /// <exception cref="SnapshotException">It may hold what is nowhere else.</exception>
    public static async Task RemoveAsync(
        QmpClient monitor, OverlayEntry entry, DiskOverlay overlay, IReadOnlyList<BlockDevice> disks, CancellationToken cancellation)
    {
        if (File.Exists(overlay.Path))
        {
            var isApart = disks.All(disk => disk.Node != overlay.ImageNode && !disk.Files.Contains(overlay.Image));
            if (isApart && (await monitor.QueryNodesAsync(cancellation)).GetValueOrDefault(overlay.Node, 1) > 0) throw Stays(entry, overlay, "the disk was unplugged");
            OverlayFile.Delete(overlay);
        }
        await monitor.RemoveNodesAsync(overlay, cancellation);
    }

    /// <summary>Says that an overlay stays for the time being.</summary>
    public static SnapshotException Stays(OverlayEntry entry, DiskOverlay overlay, string reason) => new(
        ErrorCode.Failed, $"{entry.Socket}: {overlay.Path} is not merged back into {overlay.Image}: {reason}", "nothing is lost; merge it by hand when it is free");

    /// <summary>Says in the words of an operator why QEMU does not begin to merge.</summary>
    public static SnapshotException NotNow(QmpClient monitor, string overlay, string image, QmpException refused) => new(
        // "Failed to get "write" lock": a guest restored from the checkpoint reads the image. "inactive": the guest stands still since its migration.
        ErrorCode.Failed, $"{monitor.Path}: QEMU cannot merge {overlay} back into {image} now: {refused.QemuText}",
        "end the guests that were restored from the checkpoint, or continue this one if it stands still; then run 'cutpoint gc'", refused);

    /// <summary>Says that QEMU began to merge and did not end.</summary>
    public static SnapshotException NotDone(QmpClient monitor, string overlay, string image, string? reason) => new(
        ErrorCode.Failed, $"{monitor.Path}: QEMU did not merge {overlay} back into {image}: {reason ?? "the job was cancelled"}",
        "the guest goes on with the overlay, and nothing is lost; 'cutpoint doctor' tries it again");

    private async Task UndoAsync(QmpClient monitor, OverlayEntry entry, DiskOverlay overlay, CancellationToken cancellation)
    {
        var disks = await monitor.QueryBlockAsync(null, cancellation);
        if (disks.Any(disk => disk.Node == overlay.Node))
        {
            await MergeAsync(monitor, overlay, cancellation);
            disks = await monitor.QueryBlockAsync(null, cancellation);
        }
        if (disks.Any(disk => disk.Files.Contains(overlay.Path))) throw Stays(entry, overlay, "another image stands on it, or the disk uses it in another way");
        await RemoveAsync(monitor, entry, overlay, disks, cancellation);
    }

    private async Task MergeAsync(QmpClient monitor, DiskOverlay overlay, CancellationToken cancellation)
    {
        try
        {
            var reason = await monitor.CommitAsync(overlay.MergeJob, overlay.Node, overlay.Node, overlay.ImageNode, null, time, cancellation);
            if ((await monitor.QueryBlockAsync(null, cancellation)).Any(disk => disk.Node == overlay.Node)) throw NotDone(monitor, overlay.Path, overlay.Image, reason);
        }
        catch (QmpException refused) when (refused.Failure == QmpFailure.Refused)
        {
            throw NotNow(monitor, overlay.Path, overlay.Image, refused);
        }
    }
}
