using System.Globalization;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>Which disks of a guest are frozen at a cut, and what the overlays are called. Pure: what the host's files say comes in as functions.</summary>
internal static class DiskPlan
{
    /// <summary>
    /// Most images one above the other that a guest may read through, the new overlay included. A read may have to look into every one of them, and QEMU
    /// opens them all.
    /// </summary>
    public const int LongestChain = 16;

    /// <summary>Between an image's own name and the number of its overlay.</summary>
    private const string Mark = ".cutpoint-";

    /// <summary>A backing file's name has at most this many octets in a qcow2 header.</summary>
    private const int LongestPath = 1023;

    /// <summary>The disks that are frozen, in QEMU's order; read-only media are not.</summary>
    /// <param name="guest">The guest, for refusals.</param>
    /// <param name="devices">Its disks.</param>
    /// <param name="isFile">Whether a path leads to a regular file of this host.</param>
    /// <exception cref="SnapshotException">One of them cannot be; a preflight error with the reason.</exception>
    public static IReadOnlyList<BlockDevice> Choose(GuestDescription guest, IReadOnlyList<BlockDevice> devices, Func<string, bool> isFile)
    {
        var writable = devices.Where(device => !device.IsReadOnly).ToList();
        foreach (var device in writable)
        {
            if (Refusal(device, isFile) is { } reason) throw Refuse(guest, device, reason.What, reason.Advice);
            if (writable.Exists(other => other != device && (other.Node == device.Node || other.Files[0] == device.Files[0])))
                throw Refuse(guest, device, "is the image of two disks", "take it with --no-disks, and keep the disk by other means");
        }
        return writable;
    }

    /// <summary>Names a set of overlays, one for each disk, each beside its image.</summary>
    /// <param name="disks">What <see cref="Choose"/> chose.</param>
    /// <param name="id">Never given before, so that no file is met that somebody uses.</param>
    public static IReadOnlyList<DiskOverlay> Name(IReadOnlyList<BlockDevice> disks, Ulid id)
    {
        // The random end of the id: the node's name has 31 octets, and "-merge" is for the job.
        var text = id.ToString();
        return [.. disks.Select((disk, number) => new DiskOverlay(
            disk.Name, disk.Node, disk.Format, disk.Octets, [.. disk.Files.Select(file => file!)], Above(disk.Files[0]!, text),
            string.Create(CultureInfo.InvariantCulture, $"cp{text[^12..].ToLowerInvariant()}-{number}")))];
    }

    private static string Above(string image, string id)
    {
        var mark = image.LastIndexOf(Mark, StringComparison.Ordinal);
        var isOverlay = mark > image.LastIndexOf('/') && Ulid.TryParse(image.AsSpan(mark + Mark.Length), out _);
        return (isOverlay ? image[..mark] : image) + Mark + id;
    }

    private static (string What, string Advice)? Refusal(BlockDevice device, Func<string, bool> isFile)
    {
        const string Without = "take it with --no-disks, and keep the disk by other means";
        if (device.Files.Count == 0 || device.Files.Any(file => file is null))
            return ("is not a plain image file of this host, or is opened with options no overlay can repeat", Without);
        if (device.Files[0] is { } image && !isFile(image))
            return ("is no regular file (a block device, or a temporary image of -snapshot): there is no place beside it for an overlay", Without);
        if (System.Text.Encoding.UTF8.GetByteCount(device.Files[0]!) + Mark.Length + Ulid.TextLength > LongestPath)
            return ("has a path too long for the header of an overlay", Without);
        if (device.Files.Count >= LongestChain)
        {
            return (
                string.Create(CultureInfo.InvariantCulture, $"stands on {device.Files.Count - 1} other images; with the new one it would be more than {LongestChain}"),
                "forget checkpoints of this guest, and end the guests that were restored from them: overlays no checkpoint needs are merged then. Or take it with --no-disks");
        }
        return null;
    }

    private static SnapshotException Refuse(GuestDescription guest, BlockDevice device, string what, string advice) =>
        new(ErrorCode.Incompatible, $"guest {guest.Name}: disk {device.Name} cannot be frozen: {device.Text} {what}", advice) { IsPreflight = true };
}
