using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>Writes a stored guest as a file of another program. Memory in use does not depend on the guest's size.</summary>
public static class ExportJob
{
    /// <summary>Exports a guest.</summary>
    /// <param name="repository">Where the checkpoint is.</param>
    /// <param name="options">What, and whereto.</param>
    /// <param name="progress">Told how far it is; null when nobody asks.</param>
    /// <param name="cancellation">Cancels; nothing is left under the output's name then that was not there before.</param>
    /// <exception cref="SnapshotException">Wrong options, a damaged checkpoint, or an output that cannot be written.</exception>
    public static async Task<ExportResult> RunAsync(
        DirectoryRepository repository, ExportOptions options, IProgress<MemoryProgress>? progress, CancellationToken cancellation)
    {
        var format = ExportFormats.Find(options.Format);
        Check(format, options);
        var info = await repository.ResolveAsync(options.Checkpoint, cancellation);
        await using var checkpoint = await repository.OpenCheckpointAsync(info, cancellation);
        var guest = await StoredGuest.LoadAsync(checkpoint.Guest(options.Guest), cancellation);
        using var output = ExportOutput.Open(options.Output);
        if (NeedsFile(format, options) && !output.IsFile) throw NoFile(format, options.Output);
        var exporter = new Exporter(guest, output, MemoryProgress.Of(progress, guest.Blocks.Sum(block => block.Length)))
        {
            Begin = options.Begin,
            Length = options.Length,
            Paging = options.Paging,
            Plain = options.Plain,
        };
        long octets;
        try
        {
            octets = await format.WriteAsync(exporter, cancellation);
        }
        catch (Exception e) when (StorageError.IsStorage(e))
        {
            throw StorageError.Translate(e, options.Output, "write");
        }
        output.Commit();
        return new ExportResult(format.Name, guest.Description.Name, octets) { Notes = exporter.Notes };
    }

    private static void Check(ExportFormat format, ExportOptions options)
    {
        if (NeedsFile(format, options) && options.Output == ExportOptions.StandardOutput) throw NoFile(format, "standard output");
        if (options.Paging && !format.TakesPaging) throw Wrong($"format {format.Name} has no virtual addresses", "leave out --paging");
        if (options.Plain && !format.HasPlainForm) throw Wrong($"format {format.Name} has one form only", "leave out --plain");
        if (options.Begin is null && options.Length is null) return;
        if (!format.TakesRange) throw Wrong($"format {format.Name} has no range", "leave out --begin and --length");
        if (options.Begin is null || options.Length is null) throw Wrong("a range has a begin and a length", "give both --begin and --length");
        if (options.Begin % Paging.PageSize != 0 || options.Length % Paging.PageSize != 0 || options.Length == 0)
            throw Wrong($"a range consists of whole pages of {Paging.PageSize} octets", "round --begin down and --length up");
        if (options.Begin > ulong.MaxValue - options.Length) throw Wrong("the range goes beyond the last address", "give a smaller --length");
    }

    private static bool NeedsFile(ExportFormat format, ExportOptions options) => format.NeedsFile || options.Plain;

    private static SnapshotException NoFile(ExportFormat format, string output) =>
        Wrong($"format {format.Name} cannot be written to {output}: it puts things at places of a file", "give -o FILE");

    private static SnapshotException Wrong(string message, string advice) => new(ErrorCode.Usage, message, advice) { IsPreflight = true };
}
