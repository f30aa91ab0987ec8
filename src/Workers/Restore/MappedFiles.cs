using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Restore;

/// <summary>Looks at how a process maps RAM files.</summary>
internal static class MappedFiles
{
    /// <summary>
    /// True when it is certain that a process has never touched its mappings of some files. Then nothing it has was copied from a file before the file was
    /// complete, and whatever it reads from now on is the file's contents.
    /// </summary>
    /// <param name="process">The process.</param>
    /// <param name="paths">The files. Each must be mapped.</param>
    public static bool AreUntouched(int process, IReadOnlyCollection<string> paths)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string? current = null;
        try
        {
            foreach (var line in File.ReadLines(ProcessFiles.Path(process, "smaps")))
            {
                var colon = line.IndexOf(':', StringComparison.Ordinal);
                if (colon < 0 || line.AsSpan(0, colon).Contains('-'))
                {
                    // The head of a mapping: addresses, mode, offset, device, inode, path.
                    current = paths.FirstOrDefault(path => line.EndsWith(' ' + path, StringComparison.Ordinal));
                    if (current is not null) seen.Add(current);
                    continue;
                }
                // Resident or swapped out: either was touched.
                if (current is not null && line.AsSpan(0, colon) is "Rss" or "Swap" && !line.EndsWith(" 0 kB", StringComparison.Ordinal)) return false;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        return seen.Count == paths.Count;
    }
}
