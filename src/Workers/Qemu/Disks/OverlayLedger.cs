using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// The directory of overlays of this host: one small file for every set of them, from before they are made until they are merged back. The one place that
/// knows what a killed job, or a checkpoint that was forgotten, has left in a guest's disks. Safe for concurrent use by any number of processes.
/// </summary>
public sealed class OverlayLedger
{
    private const string Suffix = ".overlays";
    private const int MaxFileLength = 1 << 20;

    /// <summary>Opens the directory; it is created when first needed, readable for its owner only.</summary>
    /// <param name="directory">Its path, or null for <see cref="DefaultDirectory"/>.</param>
    public OverlayLedger(string? directory = null) => Directory = Path.GetFullPath(directory ?? DefaultDirectory);

    /// <summary><c>$XDG_STATE_HOME/cutpoint/disks</c>, by default <c>~/.local/state/cutpoint/disks</c>: one for all repositories, since a disk has one chain.</summary>
    public static string DefaultDirectory { get; } = Path.Combine(Path.GetDirectoryName(Guard.FreezeIntents.DefaultDirectory)!, "disks");

    /// <summary>Where the files lie.</summary>
    public string Directory { get; }

    /// <summary>Every file of this host that a checkpoint, or a job under way, needs as it is: frozen images, and the overlays above them.</summary>
    /// <exception cref="SnapshotException">A note cannot be read.</exception>
    public IReadOnlySet<string> FilesInUse() => Read().SelectMany(entry => entry.Overlays).SelectMany(overlay => overlay.Chain.Append(overlay.Path)).ToHashSet();

    /// <summary>
    /// Whether it is one of our merges that has changed an image since this time, and nobody else: a merge that has not given the image its time back yet, or
    /// whose process died before it could.
    /// </summary>
    /// <exception cref="SnapshotException">A note cannot be read.</exception>
    internal bool VouchesFor(string image, DateTimeOffset writtenAt) =>
        Read().SelectMany(entry => entry.Overlays).Any(overlay => overlay.Merge is { } merge && merge.IsAbove(image) && merge.WrittenAt == writtenAt);

    /// <summary>What must stay as it is now.</summary>
    /// <param name="dead">Ids of the sets whose checkpoint is not there and whose job does not live.</param>
    internal FrozenImages Frozen(IReadOnlySet<string> dead) => new(Read(), dead, path => OverlayFile.BackingOf(path)?.Path);

    /// <summary>Writes down what has become of an overlay of an entry; the entry ends with the last file of it.</summary>
    internal void Note(OverlayEntry entry, DiskOverlay overlay)
    {
        if (TryRead(PathOf(entry)) is not { } now) return;
        now = now with { Overlays = [.. now.Overlays.Select(other => other.Path == overlay.Path ? overlay : other)] };
        if (now.Overlays.Any(one => File.Exists(one.Path))) Write(now);
        else Remove(now);
    }

    /// <summary>Writes an entry so that it is there whatever process dies next.</summary>
    /// <exception cref="SnapshotException">It cannot be written; no overlay may be made then.</exception>
    internal void Write(OverlayEntry entry)
    {
        try
        {
            System.IO.Directory.CreateDirectory(Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var draft = PathOf(entry) + ".new";
            using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, BufferSize = 0,
            }))
            {
                file.Write(JsonSerializer.SerializeToUtf8Bytes(entry, OverlayJson.Default.OverlayEntry));
                file.Flush(flushToDisk: true);
            }
            File.Move(draft, PathOf(entry), overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(
                ErrorCode.Failed, $"{Directory}: the overlays of a guest cannot be noted: {error.Message}",
                "make room there, set XDG_STATE_HOME to a directory that can be written, or take the guest with --no-disks", error);
        }
    }

    /// <summary>Ends an entry: none of its overlays is left.</summary>
    internal void Remove(OverlayEntry entry) => File.Delete(PathOf(entry));

    /// <summary>Every entry, the oldest first.</summary>
    /// <exception cref="SnapshotException">One cannot be read: nothing may be merged then, since it may stand on the same images.</exception>
    internal IReadOnlyList<OverlayEntry> Read()
    {
        if (!System.IO.Directory.Exists(Directory)) return [];
        var entries = new List<OverlayEntry>();
        foreach (var path in System.IO.Directory.EnumerateFiles(Directory, "*" + Suffix).Order(StringComparer.Ordinal))
        {
            if (TryRead(path) is { } entry) entries.Add(entry);
        }
        return entries;
    }

    private static OverlayEntry? TryRead(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxFileLength) throw Unreadable(path, null);
            var entry = JsonSerializer.Deserialize(File.ReadAllBytes(path), OverlayJson.Default.OverlayEntry);
            return entry is { Version: OverlayEntry.CurrentVersion, Overlays: not null } ? entry : throw Unreadable(path, null);
        }
        catch (FileNotFoundException)
        {
            // Merged back meanwhile.
            return null;
        }
        catch (JsonException wrong)
        {
            throw Unreadable(path, wrong);
        }
    }

    private string PathOf(OverlayEntry entry) => Path.Combine(Directory, entry.Id + Suffix);

    private static SnapshotException Unreadable(string path, Exception? inner) =>
        new(ErrorCode.VerificationFailed, $"{path}: not a note of overlays of this version",
            "merge what it names back with 'qemu-img commit' while its guest does not run, then remove the file", inner);
}
