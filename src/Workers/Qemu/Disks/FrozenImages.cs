namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// The images that must stay as they are, each with everything it stands on:
/// <code>
/// image of a checkpoint that is kept, or of a job under way        what it reads is the checkpoint's disk
/// overlay of a guest that has ended, whatever became of its checkpoint        what it reads is all that is left of the guest's disk
/// </code>
/// Whatever may be merged follows from them: an overlay may go into the image below it when each of these reads that image through the overlay only, or not at
/// all. What they read is the same before, during and after the merge then.
/// </summary>
internal sealed class FrozenImages
{
    /// <summary>Far more than any chain has; ends a walk in a circle.</summary>
    private const int LongestWalk = 1024;

    private readonly List<List<string>> _chains = [];
    private readonly HashSet<string> _overlays;
    private readonly Func<string, string?> _backingOf;

    /// <summary>Finds them.</summary>
    /// <param name="entries">Every note of the host.</param>
    /// <param name="dead">Ids of the notes whose checkpoint is not there and whose job does not live.</param>
    /// <param name="backingOf">What an overlay's file stands on, by its header: merges change it. Null when that cannot be told.</param>
    public FrozenImages(IReadOnlyList<OverlayEntry> entries, IReadOnlySet<string> dead, Func<string, string?> backingOf)
    {
        _backingOf = backingOf;
        _overlays = entries.SelectMany(entry => entry.Overlays).Select(overlay => overlay.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (!dead.Contains(entry.Id)) _chains.AddRange(entry.Overlays.Select(overlay => Walk(overlay.Image, overlay)));
            else if (entry.IsGone) _chains.AddRange(entry.Overlays.Where(overlay => !overlay.IsMerged && !IsInUse(overlay, entries)).Select(overlay => Walk(overlay.Path, overlay)));
        }
    }

    /// <summary>Whether an image may take the contents of the overlay that stands on it.</summary>
    public bool MayTake(string image, string overlay) => _chains.TrueForAll(chain => chain.IndexOf(image) is var at && (at < 0 || (at > 0 && chain[at - 1] == overlay)));

    /// <summary>Whether one of them is this file, or stands on it.</summary>
    public bool Read(string file) => _chains.Exists(chain => chain.Contains(file));

    /// <summary>Whether another file of them stands on this one.</summary>
    public bool StandOn(string file) => _chains.Exists(chain => chain.IndexOf(file) > 0);

    /// <summary>Whether a guest that runs has a checkpoint whose image stands on the overlay: then it is part of that guest's disk.</summary>
    public static bool IsInUse(DiskOverlay overlay, IEnumerable<OverlayEntry> entries) =>
        entries.Any(other => !other.IsGone && other.Overlays.Any(above => above.Chain.Contains(overlay.Path)));

    /// <summary>
    /// From a file down. Of overlays their headers tell the way; what lies below them nobody changes, so what was noted is right.
    /// </summary>
    private List<string> Walk(string top, DiskOverlay noted)
    {
        List<string> recorded = [noted.Path, .. noted.Chain];
        List<string> chain = [top];
        while (chain.Count < LongestWalk)
        {
            var at = recorded.IndexOf(chain[^1]);
            var below = at >= 0 && at + 1 < recorded.Count ? recorded[at + 1] : null;
            if (_overlays.Contains(chain[^1])) below = _backingOf(chain[^1]) ?? below;
            if (below is null) break;
            chain.Add(below);
        }
        return chain;
    }
}
