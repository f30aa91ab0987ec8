using Cutpoint.Repository;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// Merges back what no checkpoint needs: the overlays of jobs that were killed or never committed, and those of checkpoints that were forgotten. One rule
/// for all of them: a set whose checkpoint is not in its repository, whose job does not live, and on whose images no other set stands.
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
    /// <param name="repository">The repository; sets of others are left alone.</param>
    /// <param name="cancellation">Ends the work; what is merged by half is gone on with by the next one.</param>
    /// <returns>What was merged, and what could not be.</returns>
    public async Task<IReadOnlyList<OverlayOutcome>> RunAsync(DirectoryRepository repository, CancellationToken cancellation)
    {
        var name = NameOf(repository);
        var entries = ledger.Read().ToList();
        if (!entries.Exists(entry => entry.Repository == name)) return [];
        // After the notes: a checkpoint that came into being between the two looks is in the list.
        var kept = (await repository.ListAsync(cancellation)).Select(checkpoint => checkpoint.Id.ToString()).ToHashSet();
        var outcomes = new List<OverlayOutcome>();
        // The newest first: it stands on the others.
        foreach (var entry in entries.AsEnumerable().Reverse().ToList())
        {
            if (entry.Repository != name || kept.Contains(entry.Checkpoint) || entry.IsOwned) continue;
            if (entries.Exists(other => other != entry && StandsOn(other, entry))) continue;
            var outcome = await MergeAsync(repository, entry, cancellation);
            if (outcome is not null) outcomes.Add(outcome);
            if (outcome?.Problem is null) entries.Remove(entry);
        }
        return outcomes;
    }

    private async Task<OverlayOutcome?> MergeAsync(DirectoryRepository repository, OverlayEntry entry, CancellationToken cancellation)
    {
        // Overlays of a restored guest that has ended, in its own directory: nobody can start it again, and the directory is swept.
        var isPassing = entry.IsGone && entry.Overlays.All(overlay => overlay.Path.StartsWith(repository.RunDirectory + "/", StringComparison.Ordinal));
        if (isPassing || entry.Overlays.All(overlay => !File.Exists(overlay.Path) && entry.IsGone))
        {
            ledger.Remove(entry);
            return null;
        }
        try
        {
            if (entry.IsGone) throw OverlayMerge.Gone(entry);
            await new OverlayMerge(ledger, time).RunAsync(entry, cancellation);
            return new OverlayOutcome(entry.Socket, $"merged {string.Join(", ", entry.Overlays.Select(overlay => $"{overlay.Path} back into {overlay.Image}"))}");
        }
        catch (SnapshotException problem)
        {
            return new OverlayOutcome(entry.Socket, "overlays are left") { Problem = problem };
        }
    }

    private static bool StandsOn(OverlayEntry upper, OverlayEntry lower) =>
        upper.Overlays.Any(above => lower.Overlays.Any(below => above.Chain.Contains(below.Image)));
}
