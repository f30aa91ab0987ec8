using System.Globalization;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>Who else than a guest's QEMU can write to its shared RAM.</summary>
internal static class MemorySharers
{
    /// <summary>The first namespace of process numbers, which sees the processes of all others (PROC_PID_INIT_INO of the kernel).</summary>
    private const string Outermost = "pid:[4026531836]";

    private const int Init = 1;

    private static readonly string[] Devices = ["/dev/vfio/", "/dev/vhost-vdpa"];

    /// <summary>A device QEMU has open that writes to its memory by itself, or null.</summary>
    /// <param name="process">QEMU's process, which must be this user's.</param>
    internal static string? DeviceOf(int process) => ProcessFiles.Descriptors(process).Select(descriptor => descriptor.Target)
        .FirstOrDefault(target => target is not null && Devices.Any(device => target.StartsWith(device, StringComparison.Ordinal)));

    /// <summary>
    /// True when no process of this host but QEMU has one of the files mapped so that it can write to it, as the other side of a vhost-user device has. False also when some
    /// cannot be looked into.
    /// </summary>
    /// <param name="process">QEMU's process.</param>
    /// <param name="inodes">The files' inodes.</param>
    /// <param name="cancellation">Ends the look.</param>
    internal static bool AreExcluded(int process, IReadOnlySet<ulong> inodes, CancellationToken cancellation)
    {
        try
        {
            if (new FileInfo("/proc/self/ns/pid").LinkTarget != Outermost) return false;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            cancellation.ThrowIfCancellationRequested();
            if (!int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var other) || other == process) continue;
            try
            {
                // An inode of another file system may have the same number: then it is taken for the file.
                if (File.ReadLines(ProcessFiles.Path(other, "maps")).Any(line => ProcessMap.TryParse(line) is { IsShared: true } mapping && inodes.Contains(mapping.Inode))) return false;
            }
            catch (UnauthorizedAccessException) when (other == Init)
            {
                // It serves no guest, and some hosts let not even root look at it.
            }
            catch (UnauthorizedAccessException)
            {
                return false;
            }
            catch (IOException) when (!Directory.Exists(directory))
            {
                // It has ended.
            }
            catch (IOException)
            {
                return false;
            }
        }
        return true;
    }
}
