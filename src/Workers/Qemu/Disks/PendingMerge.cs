namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// A merge of an overlay into the image below it, written down before QEMU begins. QEMU lets the image above stand on the one below at the end, which changes
/// that image's header and so the time of its last write, by which a restore knows that it is as it was.
/// </summary>
/// <param name="Into">The image that takes the overlay's contents.</param>
/// <param name="Above">The image that stands on the overlay; null when the guest writes to the overlay itself.</param>
/// <param name="WrittenAt">When the image above was last written to before.</param>
/// <param name="Octets">Length of its file, which QEMU's change leaves as it is, and a guest that writes to it does not; -1 when the guest may.</param>
internal sealed record PendingMerge(string Into, string? Above, DateTimeOffset WrittenAt, long Octets)
{
    /// <summary>A merge that is about to begin.</summary>
    /// <param name="into">The image below.</param>
    /// <param name="above">The image above, if any.</param>
    /// <param name="isWritten">True when the guest writes to that one.</param>
    public static PendingMerge Begin(string into, string? above, bool isWritten) => above is null || isWritten
        ? new PendingMerge(into, above, default, -1) : new PendingMerge(into, above, File.GetLastWriteTimeUtc(above), new FileInfo(above).Length);

    /// <summary>True when only QEMU can have changed the image above since.</summary>
    public bool IsAbove(string image) => image == Above && File.Exists(image) && new FileInfo(image).Length == Octets;

    /// <summary>Gives the image above its time back. Before a merge it shows that this can be done after it.</summary>
    /// <exception cref="SnapshotException">It cannot be done by this user.</exception>
    public void PutTimeBack()
    {
        if (Above is not { } image || !IsAbove(image)) return;
        try
        {
            File.SetLastWriteTimeUtc(image, WrittenAt.UtcDateTime);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(
                ErrorCode.Failed, $"{image}: the time of its last write cannot be set, which a merge below it would need: {refused.Message}",
                "run this as the owner of the image, or as root", refused);
        }
    }
}
