using Cutpoint.Formats.Qemu;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>Files of overlays, as they lie beside the images.</summary>
internal static class OverlayFile
{
    private const string Draft = ".new";

    /// <summary>What an overlay stands on by its own header; null when there is no such file, or none that can be read.</summary>
    public static Qcow2Backing? BackingOf(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return Qcow2Backing.Read(file);
        }
        catch (Exception absent) when (StorageError.IsStorage(absent))
        {
            // Nobody may conclude anything from it: what is noted of the overlay counts then.
            return null;
        }
    }

    /// <summary>
    /// Empties an overlay whose contents are in the image below: it reads the same as before, as a checkpoint that names it needs. In one step, and with the
    /// time it had; whoever has the old file open keeps it.
    /// </summary>
    /// <exception cref="SnapshotException">The file cannot be written; the overlay is as it was.</exception>
    public static void Empty(DiskOverlay overlay)
    {
        if (BackingOf(overlay.Path) is not { Format: { } format } below) return;
        var draft = overlay.Path + Draft;
        try
        {
            File.Delete(draft);
            using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = File.GetUnixFileMode(overlay.Path),
            }))
            {
                Qcow2Overlay.Write(file, overlay.Octets, below.Path, format);
                file.Flush(flushToDisk: true);
            }
            File.SetLastWriteTimeUtc(draft, File.GetLastWriteTimeUtc(overlay.Path));
            File.Move(draft, overlay.Path, overwrite: true);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, draft, "write");
        }
    }

    /// <summary>Removes an overlay nobody reads any more.</summary>
    /// <exception cref="SnapshotException">It cannot be removed.</exception>
    public static void Delete(DiskOverlay overlay)
    {
        try
        {
            File.Delete(overlay.Path + Draft);
            File.Delete(overlay.Path);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, overlay.Path, "remove");
        }
    }
}
