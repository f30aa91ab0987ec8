using System.Globalization;

namespace Cutpoint.Workers.Qemu;

/// <summary>
/// What the kernel tells of a process under /proc. A process that has ended reads as <see cref="IOException"/>, one of another user as
/// <see cref="UnauthorizedAccessException"/>.
/// </summary>
internal static class ProcessFiles
{
    /// <summary>The path of one of its files.</summary>
    /// <param name="process">The process.</param>
    /// <param name="name">As "maps" or "fdinfo/7".</param>
    internal static string Path(int process, string name) => string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/{name}");

    /// <summary>What it has open: its number, the link it can be opened by, and what that leads to, or null when it was closed meanwhile.</summary>
    internal static IEnumerable<(int Number, string Link, string? Target)> Descriptors(int process) =>
        Directory.EnumerateFileSystemEntries(Path(process, "fd")).Select(link =>
            (int.Parse(System.IO.Path.GetFileName(link.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture), link, new FileInfo(link).LinkTarget));
}
