using Cutpoint.Formats;

namespace Cutpoint.Workers.Export;

/// <summary>The formats of files with guest state this program reads.</summary>
public static class FileFormats
{
    /// <summary>Octets of a file that decide its format.</summary>
    public const int HeadLength = 4096;

    /// <summary>Every format.</summary>
    public static IReadOnlyList<FileFormat> All { get; } = [new QemuStreamFile(), new BerFile(), new SavedStateFile(), new ElfFile(), new KdumpFile()];

    /// <summary>Finds the format of a file.</summary>
    /// <param name="path">The file; only its first octets are read.</param>
    /// <exception cref="SnapshotException">There is no such file, or it is of no format known.</exception>
    public static FileFormat Detect(string path)
    {
        Span<byte> head = new byte[HeadLength];
        using (var input = OpenRead(path))
        {
            head = head[..input.ReadAtLeast(head, HeadLength, throwOnEndOfStream: false)];
        }
        foreach (var format in All)
            if (format.Matches(head)) return format;
        throw new SnapshotException(
            ErrorCode.Incompatible, $"{path}: not a file of guest state this program knows",
            $"it reads: {string.Join(", ", All.Select(format => $"{format.Name} ({format.Title})"))}") { IsPreflight = true };
    }

    /// <summary>Says what a file holds.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">The file is damaged; says where.</exception>
    /// <exception cref="SnapshotException">There is no such file, or it is of no format known.</exception>
    public static async Task<FileInspection> InspectAsync(string path, CancellationToken cancellation)
    {
        var format = Detect(path);
        await using var input = OpenRead(path);
        return await format.InspectAsync(input, cancellation);
    }

    internal static FileStream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
                Options = FileOptions.SequentialScan,
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var code = e is FileNotFoundException or DirectoryNotFoundException ? ErrorCode.NotFound : ErrorCode.Failed;
            // The framework says of a directory that access is denied.
            var reason = Directory.Exists(path) ? "it is a directory" : e.Message;
            throw new SnapshotException(code, $"{path}: {reason}", "give the path of a file that can be read", e) { IsPreflight = true };
        }
    }
}
