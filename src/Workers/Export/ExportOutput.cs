using Cutpoint.Repository;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Where an export goes: a regular file, written beside its final name and moved there by <see cref="Commit"/>, so that an export which failed or was
/// cancelled leaves nothing; or standard output, a pipe or a device, where a reader sees a cut stream end too early.
/// </summary>
internal sealed class ExportOutput : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int StandardOutputDescriptor = 1;

    private readonly string? _temporary;
    private bool _committed;

    private ExportOutput(string path, string? temporary, FileStream stream)
    {
        Path = path;
        _temporary = temporary;
        Stream = stream;
    }

    /// <summary>The final name, or "-".</summary>
    public string Path { get; }

    /// <summary>Takes the octets in order. Unbuffered: hand it large pieces.</summary>
    public FileStream Stream { get; }

    /// <summary>True when octets can be put at any place and places never written read as zero.</summary>
    public bool IsFile => _temporary is not null;

    /// <summary>The file, for those who write at places of it.</summary>
    public SafeFileHandle Handle => Stream.SafeFileHandle;

    /// <summary>Opens an output.</summary>
    /// <param name="path">A path, or "-" for standard output.</param>
    /// <exception cref="SnapshotException">It cannot be written.</exception>
    public static ExportOutput Open(string path)
    {
        try
        {
            if (path == ExportOptions.StandardOutput)
            {
                // Not Console.OpenStandardOutput, which takes a reader that went away for one who has read everything.
                return new ExportOutput(path, null, new FileStream(new SafeFileHandle(StandardOutputDescriptor, ownsHandle: false), FileAccess.Write, 0));
            }
            var full = System.IO.Path.GetFullPath(path);
            if (Directory.Exists(full))
                throw new SnapshotException(ErrorCode.Usage, $"{path} is a directory", "give the path of a file") { IsPreflight = true };
            if (FileStatus.Of(full) is { IsRegular: false }) return new ExportOutput(full, null, new FileStream(full, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0));
            // Through a symbolic link to what it names, so that the move replaces the file and not the link.
            var link = new FileInfo(full);
            if (link.LinkTarget is not null) full = link.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
            var temporary = $"{full}.{Environment.ProcessId}.partial";
            File.Delete(temporary);
            return new ExportOutput(full, temporary, new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.Read,
                UnixCreateMode = OwnerOnly,
                BufferSize = 0,
            }));
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, path, "write");
        }
    }

    /// <summary>Everything was written: gives a regular file its name.</summary>
    public void Commit()
    {
        Stream.Dispose();
        try
        {
            if (_temporary is not null) File.Move(_temporary, Path, overwrite: true);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, Path, "write");
        }
        _committed = true;
    }

    /// <summary>Closes; without a commit before, a regular file is removed.</summary>
    public void Dispose()
    {
        Stream.Dispose();
        if (_committed || _temporary is null) return;
        try
        {
            File.Delete(_temporary);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            // Its name says that it is partial; the cause that ended the export is the one to report.
        }
    }
}
