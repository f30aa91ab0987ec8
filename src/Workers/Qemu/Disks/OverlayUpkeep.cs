using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// Merges what no checkpoint needs: the overlays of jobs that were killed or never committed, and those of checkpoints that were forgotten. One rule
/// for all of them: a set is dead when its checkpoint is not in its repository and its job does not live; an overlay of a dead set goes into the image below
/// it when nobody else needs that image as it is (<see cref="FrozenImages"/>).
/// </summary>
/// <param name="ledger">The overlays of this host.</param>
/// <param name="time">The clock.</param>
public sealed class OverlayUpkeep(OverlayLedger ledger, TimeProvider time)
{
    /// <summary>
    /// What a repository is called in the notes: neither a copy of it, nor another one at the same path of another host, may merge what it keeps.
    /// </summary>
    public static string NameOf(DirectoryRepository repository)
    {
        ArgumentNullException.ThrowIfNull(repository);
        return $"{repository.Id} {repository.Directory}";
    }

    /// <summary>Merges what can be merged now.</summary>
    /// <param name="repository">The name of the repository; sets of others are left alone.</param>
    /// <param name="missing">
    /// Says which of some checkpoints are not in the repository and cannot come into being any more. It is asked after the notes were read, so that one that came
    /// into being since is there.
    /// </param>
    /// <param name="runDirectory">Where guests that were restored from the repository on this host have their files; null when none were.</param>
    /// <param name="cancellation">Ends the work; what is merged by half is gone on with by the next one.</param>
    /// <returns>What was merged, and what could not be.</returns>
    public async Task<IReadOnlyList<OverlayOutcome>> RunAsync(
        string repository, Func<IReadOnlyList<string>, Task<IReadOnlySet<string>>> missing, string? runDirectory, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(missing);
        var loose = ledger.Read().Where(entry => entry.Repository == repository && !entry.IsOwned).ToList();
        if (loose.Count == 0) return [];
        var gone = await missing([.. loose.Select(entry => entry.Checkpoint).Distinct()]);
        return await RunAsync(loose.Where(entry => gone.Contains(entry.Checkpoint)).ToList(), runDirectory, cancellation);
    }

    /// <summary>Goes on with merges that were begun, of whatever repository: they were certain then.</summary>
    /// <returns>What was merged, and what could not be.</returns>
    public Task<IReadOnlyList<OverlayOutcome>> FinishAsync(CancellationToken cancellation) =>
        RunAsync(ledger.Read().Where(entry => !entry.IsOwned && entry.Overlays.Any(overlay => overlay.Merge is not null)).ToList(), null, cancellation);

    private async Task<IReadOnlyList<OverlayOutcome>> RunAsync(List<OverlayEntry> dead, string? runDirectory, CancellationToken cancellation)
    {
        var ids = dead.Select(entry => entry.Id).ToHashSet();
        var outcomes = new List<OverlayOutcome>();
        var guests = new Dictionary<string, (OverlayEntry Guest, HashSet<string> Sets)>(StringComparer.Ordinal);
        foreach (var entry in dead)
        {
            // Overlays of a restored guest that has ended, in its own directory: nobody can start it again, and the directory is swept.
            var isPassing = runDirectory is not null && entry.IsGone && entry.Overlays.All(overlay => overlay.Path.StartsWith(runDirectory + "/", StringComparison.Ordinal));
            if (isPassing || (entry.IsGone && entry.Overlays.All(overlay => !File.Exists(overlay.Path))))
            {
                ledger.Remove(entry);
                continue;
            }
            try
            {
                RemoveUnread(entry, ids);
            }
            catch (SnapshotException problem)
            {
                outcomes.Add(new OverlayOutcome(entry.Socket, "overlays are left") { Problem = problem });
            }
            if (entry.Overlays.All(overlay => overlay.IsMerged)) continue;
            if (GuestOf(entry) is not { } guest) outcomes.AddRange(Ended(entry, ids));
            else if (guests.TryGetValue(guest.Socket, out var known)) known.Sets.Add(entry.Id);
            else guests.Add(guest.Socket, (guest, [entry.Id]));
        }
        foreach (var (guest, sets) in guests.Values)
        {
            if (IsDue(sets, ids)) outcomes.AddRange(await ShortenAsync(guest, sets, ids, cancellation));
        }
        return outcomes;
    }

    /// <summary>Removes what was left of merged overlays for checkpoints that named them, once none does.</summary>
    private void RemoveUnread(OverlayEntry entry, HashSet<string> dead)
    {
        foreach (var overlay in entry.Overlays.Where(overlay => overlay.IsMerged && !ledger.Frozen(dead).Read(overlay.Path)))
        {
            OverlayFile.Delete(overlay);
            ledger.Note(entry, overlay);
        }
    }

    /// <summary>
    /// The guest in whose disks a set is: that which the overlays were made in, or one that was started with them since, as its own notes show. Null when none
    /// of them runs.
    /// </summary>
    private OverlayEntry? GuestOf(OverlayEntry entry) => !entry.IsGone ? entry
        : ledger.Read().LastOrDefault(other => !other.IsGone && entry.Overlays.Any(overlay => FrozenImages.IsInUse(overlay, [other])));

    /// <summary>Whether there may be something to do: a guest is not bothered for what has to wait.</summary>
    private bool IsDue(HashSet<string> sets, HashSet<string> dead)
    {
        var frozen = ledger.Frozen(dead);
        return ledger.Read().Where(entry => sets.Contains(entry.Id)).SelectMany(entry => entry.Overlays)
            .Any(overlay => !overlay.IsMerged && (overlay.Merge is not null || frozen.MayTake(OverlayFile.BackingOf(overlay.Path)?.Path ?? overlay.Image, overlay.Path)));
    }

    private async Task<IReadOnlyList<OverlayOutcome>> ShortenAsync(
        OverlayEntry guest, HashSet<string> sets, HashSet<string> dead, CancellationToken cancellation)
    {
        try
        {
            await using var monitor = await OverlayMerge.ConnectAsync(guest, time, cancellation);
            var directory = QemuProcess.Read(monitor.PeerProcessId).Directory;
            return await new ChainShortening(monitor, directory, dead, ledger, time).RunAsync(sets, cancellation);
        }
        catch (SnapshotException problem)
        {
            return [new OverlayOutcome(guest.Socket, "overlays are left") { Problem = problem }];
        }
    }

    /// <summary>What is left of a set whose guest has ended: it is that guest's disk, and nobody's to merge. A merge that QEMU took with it has its end here.</summary>
    private IEnumerable<OverlayOutcome> Ended(OverlayEntry entry, HashSet<string> dead)
    {
        foreach (var overlay in entry.Overlays)
        {
            if (overlay.Merge is not { } merge) continue;
            merge.PutTimeBack();
            var isDone = merge.Above is { } above && OverlayFile.BackingOf(above)?.Path == merge.Into;
            ledger.Note(entry, overlay with { Merge = null, IsMerged = isDone });
        }
        var frozen = ledger.Frozen(dead);
        // What others stand on is theirs.
        if (!entry.Overlays.Any(overlay => !overlay.IsMerged && File.Exists(overlay.Path) && !frozen.StandOn(overlay.Path))) return [];
        return [new OverlayOutcome(entry.Socket, "overlays are left") { Problem = OverlayMerge.Gone(entry) }];
    }
}
