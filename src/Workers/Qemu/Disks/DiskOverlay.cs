using System.Text.Json.Serialization;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>An overlay a guest writes into while the image below it is frozen.</summary>
/// <param name="Device">The disk, for people.</param>
/// <param name="ImageNode">QEMU's node of the frozen image.</param>
/// <param name="Format">The frozen image's format.</param>
/// <param name="Octets">The disk's size.</param>
/// <param name="Chain">The frozen image and the files it stands on, absolute, from the top.</param>
/// <param name="Path">The overlay's file, absolute, a qcow2 image.</param>
/// <param name="Node">QEMU's node of the overlay; at most 31 octets, as QEMU wants it.</param>
internal sealed record DiskOverlay(string Device, string ImageNode, string Format, long Octets, IReadOnlyList<string> Chain, string Path, string Node)
{
    /// <summary>The merge into the image below that is under way, or was when its process died; null when there is none.</summary>
    public PendingMerge? Merge { get; init; }

    /// <summary>
    /// True once the guest reads and writes past the overlay, and its contents are in the image below. Its file stays as long as a checkpoint names it.
    /// </summary>
    public bool IsMerged { get; init; }

    /// <summary>The frozen image.</summary>
    [JsonIgnore]
    public string Image => Chain[0];

    /// <summary>QEMU's node of the overlay's file.</summary>
    [JsonIgnore]
    public string FileNode => Node + "-f";

    /// <summary>QEMU's job that creates the overlay.</summary>
    [JsonIgnore]
    public string CreateJob => Node + "-new";

    /// <summary>QEMU's job that merges the overlay into its image.</summary>
    [JsonIgnore]
    public string MergeJob => Node + "-merge";
}
