using System.Globalization;
using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>The one place that turns the errors of files into errors with advice.</summary>
public static class StorageError
{
    private const int EIO = 5;
    private const int EAGAIN = 11;
    private const int EFBIG = 27;
    private const int ENOSPC = 28;
    private const int EROFS = 30;
    private const int EDQUOT = 122;

    /// <summary>True for what file operations throw.</summary>
    public static bool IsStorage(Exception error) => error is IOException or UnauthorizedAccessException;

    /// <summary>True when somebody else has the file locked; to wait may help.</summary>
    internal static bool IsInUse(Exception error) => error is IOException && (error.HResult & 0xffff) == EAGAIN;

    /// <summary>True when the file system can be read only.</summary>
    internal static bool IsReadOnly(Exception error) => error is IOException && (error.HResult & 0xffff) == EROFS;

    /// <summary>Words the error of a file.</summary>
    /// <param name="error">What the operation threw.</param>
    /// <param name="path">The file or directory.</param>
    /// <param name="action">What was tried, such as "write".</param>
    /// <param name="needed">Octets that were to be written, when known.</param>
    public static SnapshotException Translate(Exception error, string path, string action, long needed = 0)
    {
        // Outside of Windows the low half of HResult is the error number of the system, where the framework has no code of its own.
        var number = error.HResult & 0xffff;
        var text = error.Message;
        if (error is UnauthorizedAccessException)
            return Create(ErrorCode.Failed, $"may not {action} {path}", $"check owner and mode of {Path.GetDirectoryName(path)} and of what is in it");
        if (error is DirectoryNotFoundException or FileNotFoundException)
            return Create(ErrorCode.VerificationFailed, $"{path} is missing", "run 'cutpoint verify'");
        return number switch
        {
            ENOSPC =>
                Create(
                    ErrorCode.NoSpace, $"no space left to {action} {path}{Needed(needed)}",
                    "free space, or run 'cutpoint forget' and 'cutpoint gc'"),
            EDQUOT =>
                Create(
                    ErrorCode.NoSpace, $"the disk quota does not let me {action} {path}{Needed(needed)}",
                    "raise the quota, or run 'cutpoint forget' and 'cutpoint gc'"),
            EFBIG =>
                Create(
                    ErrorCode.NoSpace, $"the limit of file sizes does not let me {action} {path}{Needed(needed)}",
                    "raise the limit ('ulimit -f')"),
            EROFS =>
                Create(
                    ErrorCode.Failed, $"cannot {action} {path}: the file system is read-only",
                    "mount it writable, or name another place"),
            EIO => Create(ErrorCode.Failed, $"cannot {action} {path}: the device reports an error", "look at the kernel's log"),
            _ => Create(ErrorCode.Failed, $"cannot {action} {path}: {text}", null),
        };

        SnapshotException Create(ErrorCode code, string message, string? advice) => new(code, message, advice, error);
    }

    /// <summary>Says in which pack damaged octets are.</summary>
    internal static SnapshotException InPack(MalformedInputException error, PackId pack) =>
        new(
            ErrorCode.VerificationFailed, $"pack {pack}, offset {error.Offset}: {error.Reason}",
            "run 'cutpoint verify' to see which checkpoints are hit", error);

    private static string Needed(long needed) =>
        needed == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({needed} octets needed)");
}
