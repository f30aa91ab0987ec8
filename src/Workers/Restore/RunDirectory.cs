using System.Globalization;
using System.Text.Json;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// The files of one restored guest: <c>run/ID/</c> in the repository, for their owner's eyes only. Held locked while the restore is under way, removed
/// when it fails, and left to <see cref="RunFiles.Sweep"/> once the guest lives.
/// </summary>
internal sealed class RunDirectory : IDisposable
{
    public const string LockName = "lock";
    public const string OwnerName = "owner.json";

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int Attempts = 8;

    private readonly FileStream _lock;
    private bool _kept;

    private RunDirectory(string path, FileStream locked)
    {
        Path = path;
        _lock = locked;
    }

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>Where the directories of all runs are.</summary>
    /// <param name="repository">The repository's directory.</param>
    public static string Root(string repository) => System.IO.Path.Combine(repository, "run");

    /// <summary>Creates and locks a directory of a new name.</summary>
    public static RunDirectory Create(string repository, TimeProvider time)
    {
        // A sweep may take the lock first, of a directory that has none yet, and remove it: then another name is taken.
        for (var attempt = 1; ; attempt++)
        {
            var path = System.IO.Path.Combine(Root(repository), Ulid.Create(time).ToString());
            try
            {
                CreatePrivate(path);
                return new RunDirectory(path, Lock(path, alone: true));
            }
            catch (IOException) when (attempt < Attempts && Directory.Exists(Root(repository)))
            {
                continue;
            }
            catch (Exception e) when (StorageError.IsStorage(e))
            {
                throw StorageError.Translate(e, path, "write");
            }
        }
    }

    /// <summary>Creates a directory only its owner can enter, unless it is there.</summary>
    public static void CreatePrivate(string path) => Directory.CreateDirectory(path, Private | UnixFileMode.UserExecute);

    /// <summary>Takes the lock of a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="alone">True excludes everybody else, false those who want to be alone.</param>
    /// <exception cref="IOException">Somebody has it, or has just removed the directory.</exception>
    public static FileStream Lock(string path, bool alone)
    {
        var name = System.IO.Path.Combine(path, LockName);
        // Created first by itself: who may share the lock opens it for reading only.
        if (!File.Exists(name)) Open(FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite).Dispose();
        var held = Open(FileMode.Open, alone ? FileAccess.ReadWrite : FileAccess.Read, alone ? FileShare.None : FileShare.Read);
        // Between opening and locking a sweep may have removed the file: the lock is of nothing then.
        var link = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{held.SafeFileHandle.DangerousGetHandle()}")).LinkTarget;
        if (link is null || !link.EndsWith(" (deleted)", StringComparison.Ordinal)) return held;
        held.Dispose();
        throw new IOException($"{name} was removed");

        FileStream Open(FileMode mode, FileAccess access, FileShare share)
        {
            var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
            if (mode == FileMode.OpenOrCreate) options.UnixCreateMode = Private;
            return new FileStream(name, options);
        }
    }

    /// <summary>
    /// Says whose guest uses the files, the image it maps and where it comes from; they outlive this process then, for as long as that process lives or maps
    /// them.
    /// </summary>
    public void Keep(ProcessIdentity process, string? image, RunOrigin origin)
    {
        var owner = RunOwner.Of(process) with { Image = image, Origin = origin };
        File.WriteAllBytes(System.IO.Path.Combine(Path, OwnerName), JsonSerializer.SerializeToUtf8Bytes(owner, RunOwnerJson.Default.RunOwner));
        _kept = true;
    }

    /// <summary>Unlocks; removes everything unless it is kept.</summary>
    public void Dispose()
    {
        if (!_kept) RunFiles.Remove(Path);
        _lock.Dispose();
    }
}
