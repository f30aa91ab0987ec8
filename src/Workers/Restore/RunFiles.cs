using System.Globalization;
using System.Text.Json;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// The files restored guests live on, in <c>run/</c> of a repository: a directory per guest, and images of guest memory that clones share. A directory is
/// in use while a restore holds its lock, while the process it was made for lives, while such a process maps the image, and while any process
/// maps one of its files. Where none of this can be ruled out it is left alone: a guest of another host may live on it.
/// </summary>
public static class RunFiles
{
    /// <summary>Removes the files nobody uses.</summary>
    /// <param name="repository">The repository's directory.</param>
    /// <param name="dryRun">Only says what would be removed.</param>
    /// <param name="inUse">Files somebody needs, such as frozen images of checkpoints: the directories they lie in stay.</param>
    /// <returns>The directories removed, with the octets they took on disk.</returns>
    public static IReadOnlyList<SweptRun> Sweep(string repository, bool dryRun, IReadOnlySet<string>? inUse = null)
    {
        var root = RunDirectory.Root(repository);
        if (!Directory.Exists(root)) return [];
        // Locked before anybody's mappings are looked at: whoever wants to map a file from here on has to wait, and who has mapped one is seen.
        var held = new Dictionary<string, FileStream>(StringComparer.Ordinal);
        try
        {
            var used = (inUse ?? new HashSet<string>()).Where(file => Path.GetDirectoryName(Path.GetDirectoryName(file)) == root).Select(file => Path.GetFileName(Path.GetDirectoryName(file))!)
                .ToHashSet(StringComparer.Ordinal);
            foreach (var name in Directory.GetDirectories(root).Select(path => Path.GetFileName(path)!).Where(IsRun))
            {
                var owner = ReadOwner(Path.Combine(root, name));
                if (owner is not null && owner.MayLive())
                {
                    used.Add(name);
                    if (owner.Image is { } image) used.Add(image);
                }
                else if (TryLock(Path.Combine(root, name)) is { } locked)
                {
                    held.Add(name, locked);
                }
            }
            if (held.Count > 0) AddMapped(held.Keys, used);
            var swept = new List<SweptRun>();
            foreach (var name in held.Keys.Where(name => !used.Contains(name)).Order(StringComparer.Ordinal))
            {
                var path = Path.Combine(root, name);
                swept.Add(new SweptRun(path, Directory.EnumerateFiles(path).Sum(file => FileStatus.Of(file)?.AllocatedOctets ?? 0)));
                if (!dryRun) Remove(path);
            }
            return swept;
        }
        finally
        {
            foreach (var locked in held.Values) locked.Dispose();
        }
    }

    /// <summary>Where a guest was restored from, and when by the name of the run; null for one that was not restored from this repository.</summary>
    /// <param name="repository">The repository's directory.</param>
    /// <param name="process">The guest's process.</param>
    internal static (Ulid Run, RunOrigin Origin)? OriginOf(string repository, ProcessIdentity process)
    {
        var root = RunDirectory.Root(repository);
        if (!Directory.Exists(root)) return null;
        foreach (var path in Directory.EnumerateDirectories(root))
        {
            if (!Ulid.TryParse(Path.GetFileName(path), out var run)) continue;
            if (ReadOwner(path) is { Origin: { } origin } owner && owner.Is(process)) return (run, origin);
        }
        return null;
    }

    /// <summary>Removes a run directory. What cannot be removed stays for the next sweep.</summary>
    internal static void Remove(string path)
    {
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            // Somebody else was faster, or the file system is read-only now; neither is worth failing for.
        }
    }

    /// <summary>A guest's directory is named by a ULID, an image by the 64 hexadecimal digits of a digest. Anything else is not ours.</summary>
    private static bool IsRun(string name) =>
        Ulid.TryParse(name, out _) || (name.Length == 2 * Digest.Length && name.All(char.IsAsciiHexDigitLower));

    /// <summary>
    /// Adds the runs any process maps a file of. Their names are unique, so the name in the path is enough, whatever mount namespace or overlay the process
    /// sees it through. Processes of other users hide their mappings; those a restore has started are recorded as owners.
    /// </summary>
    private static void AddMapped(IReadOnlyCollection<string> names, HashSet<string> mapped)
    {
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out _)) continue;
            try
            {
                foreach (var line in File.ReadLines(Path.Combine(process, "maps")))
                {
                    var path = line.IndexOf('/', StringComparison.Ordinal);
                    if (path >= 0 && Path.GetFileName(Path.GetDirectoryName(line[path..])) is { } name && names.Contains(name)) mapped.Add(name);
                }
            }
            catch (Exception e) when (StorageError.IsStorage(e))
            {
                // It ended between the listing and the look, or is another user's.
            }
        }
    }

    private static FileStream? TryLock(string path)
    {
        try
        {
            return RunDirectory.Lock(path, alone: true);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            return null;
        }
    }

    private static RunOwner? ReadOwner(string path)
    {
        try
        {
            var file = Path.Combine(path, RunDirectory.OwnerName);
            return File.Exists(file) ? JsonSerializer.Deserialize(File.ReadAllBytes(file), RunOwnerJson.Default.RunOwner) : null;
        }
        catch (Exception e) when (e is JsonException || StorageError.IsStorage(e))
        {
            // Written by a restore that was killed in the middle, before its guest ran.
            return null;
        }
    }
}
