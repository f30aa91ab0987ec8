using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// Makes the chains of a running guest's disks shorter where no checkpoint needs an image any more: the overlay above it goes into it. The order of steps, and
/// what is left when everything of us ends after one of them; QEMU ends a merge it has begun by itself:
/// <code>
/// note the merge         nothing has changed
/// block-commit           the image below changes where the overlay hides it: whoever reads through the overlay reads the same
/// (QEMU changes over)    the image above stands on the one below; both are right for it, but its time is not: the note vouches for it
/// put its time back      the overlay is read by none but those that name it, and reads the same as the image below
/// empty or remove it     emptied when a checkpoint names it, in one step; else nobody needs it
/// close its nodes        QEMU has forgotten it
/// note the end
/// </code>
/// A QEMU that ends in the middle leaves the chain as it was, or as it is after. A step done twice is done once. A monitor belongs to one client at a time,
/// and with it the chains behind it: neither another process nor a cut changes them meanwhile.
/// </summary>
/// <param name="monitor">The guest's monitor; not owned.</param>
/// <param name="directory">QEMU's working directory, if known.</param>
/// <param name="dead">Ids of the sets whose checkpoint is not there and whose job does not live.</param>
/// <param name="ledger">The overlays of this host.</param>
/// <param name="time">The clock.</param>
internal sealed class ChainShortening(QmpClient monitor, string? directory, IReadOnlySet<string> dead, OverlayLedger ledger, TimeProvider time)
{
    /// <summary>Merges what may be merged, the oldest first: what is above it need not be merged twice then.</summary>
    /// <param name="sets">Ids of the dead sets in the guest's disks.</param>
    /// <param name="cancellation">Ends the work; a merge QEMU has begun goes on, and its note stays.</param>
    /// <returns>What was merged, and what could not be.</returns>
    public async Task<IReadOnlyList<OverlayOutcome>> RunAsync(IReadOnlySet<string> sets, CancellationToken cancellation)
    {
        var outcomes = new List<OverlayOutcome>();
        // What is in no disk any more, or never was, goes first.
        foreach (var isInDisk in (bool[])[false, true])
        {
            foreach (var entry in ledger.Read().Where(entry => sets.Contains(entry.Id)))
            {
                foreach (var overlay in entry.Overlays.Where(overlay => !overlay.IsMerged))
                {
                    var disks = await monitor.QueryBlockAsync(directory, cancellation);
                    var disk = disks.FirstOrDefault(disk => disk.Files.Contains(overlay.Path));
                    if (disk is not null != isInDisk) continue;
                    try
                    {
                        var into = disk is null ? await LeaveAsync(entry, overlay, disks, cancellation) : await MergeAsync(entry, overlay, disk, cancellation);
                        if (into is not null) outcomes.Add(new OverlayOutcome(entry.Socket, $"merged {overlay.Path} back into {into}"));
                    }
                    catch (SnapshotException problem)
                    {
                        outcomes.Add(new OverlayOutcome(entry.Socket, "overlays are left") { Problem = problem });
                    }
                }
            }
        }
        return outcomes;
    }

    /// <summary>Ends an overlay that is in no disk of the guest.</summary>
    /// <returns>The image it was merged into, or null when it never came into use.</returns>
    private async Task<string?> LeaveAsync(OverlayEntry entry, DiskOverlay overlay, IReadOnlyList<BlockDevice> disks, CancellationToken cancellation)
    {
        if (overlay.Merge is { } merge)
        {
            if (!disks.Any(disk => disk.Files.Contains(merge.Into))) throw OverlayMerge.Stays(entry, overlay, "the disk was unplugged");
            await ConcludeAsync(entry, overlay, merge, cancellation);
            return merge.Into;
        }
        await OverlayMerge.RemoveAsync(monitor, entry, overlay, disks, cancellation);
        ledger.Note(entry, overlay);
        return null;
    }

    /// <returns>The image it was merged into, or null when it may not be.</returns>
    private async Task<string?> MergeAsync(OverlayEntry entry, DiskOverlay overlay, BlockDevice disk, CancellationToken cancellation)
    {
        var at = Enumerable.Range(0, disk.Files.Count).First(number => disk.Files[number] == overlay.Path);
        if (disk.Files.ElementAtOrDefault(at + 1) is not { } image) throw OverlayMerge.Stays(entry, overlay, "QEMU does not say what is below it");
        if (overlay.Merge is not { } merge || await monitor.QueryJobAsync(overlay.MergeJob, cancellation) is null)
        {
            overlay.Merge?.PutTimeBack();
            if (!ledger.Frozen(dead).MayTake(image, overlay.Path))
            {
                ledger.Note(entry, overlay with { Merge = null });
                return null;
            }
            var above = at > 0 ? disk.Files[at - 1] : null;
            if (above is not null && !File.Exists(above)) throw OverlayMerge.Stays(entry, overlay, $"{above}, which stands on it, is not to be seen from here");
            merge = PendingMerge.Begin(image, above, isWritten: at == 1);
            merge.PutTimeBack();
            ledger.Note(entry, overlay with { Merge = merge });
        }
        string? reason;
        try
        {
            var format = image == overlay.Image ? overlay.Format : OverlayFile.BackingOf(overlay.Path)?.Format;
            reason = await monitor.CommitAsync(
                overlay.MergeJob, disk.Node, await NodeAsync(entry, overlay, overlay.Path, "qcow2", cancellation),
                await NodeAsync(entry, overlay, image, format, cancellation), at > 0 ? image : null, time, cancellation);
        }
        catch (QmpException refused) when (refused.Failure == QmpFailure.Refused)
        {
            ledger.Note(entry, overlay with { Merge = null });
            throw OverlayMerge.NotNow(monitor, overlay.Path, image, refused);
        }
        if ((await monitor.QueryBlockAsync(directory, cancellation)).Any(now => now.Files.Contains(overlay.Path)))
        {
            merge.PutTimeBack();
            ledger.Note(entry, overlay with { Merge = null });
            throw OverlayMerge.NotDone(monitor, overlay.Path, image, reason);
        }
        await ConcludeAsync(entry, overlay, merge, cancellation);
        return merge.Into;
    }

    private async Task<string> NodeAsync(OverlayEntry entry, DiskOverlay overlay, string file, string? format, CancellationToken cancellation) =>
        format is not null && await monitor.QueryNodesOfAsync(file, format, directory, cancellation) is [var node]
            ? node : throw OverlayMerge.Stays(entry, overlay, $"QEMU does not say which of its nodes is {file}");

    private async Task ConcludeAsync(OverlayEntry entry, DiskOverlay overlay, PendingMerge merge, CancellationToken cancellation)
    {
        merge.PutTimeBack();
        if (ledger.Frozen(dead).Read(overlay.Path)) OverlayFile.Empty(overlay);
        else OverlayFile.Delete(overlay);
        await monitor.RemoveNodesAsync(overlay, cancellation);
        ledger.Note(entry, overlay with { Merge = null, IsMerged = true });
    }
}
