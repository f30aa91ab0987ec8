using Cutpoint.Formats;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Export;

/// <summary>Makes a checkpoint of a file of another program. The file is read whole and checked before anything is listed.</summary>
public static class ImportJob
{
    private const string Purpose = "import";

    /// <summary>Imports a file.</summary>
    /// <param name="repository">Where the checkpoint goes.</param>
    /// <param name="options">What, and how.</param>
    /// <param name="progress">Told how much of the file was read; null when nobody asks.</param>
    /// <param name="cancellation">Cancels; nothing is listed then.</param>
    /// <exception cref="MalformedInputException">The file is damaged; says where.</exception>
    /// <exception cref="SnapshotException">It cannot be imported, or not be stored.</exception>
    public static async Task<ImportResult> RunAsync(
        DirectoryRepository repository, ImportOptions options, IProgress<MemoryProgress>? progress, CancellationToken cancellation)
    {
        var format = FileFormats.Detect(options.Path);
        if (!format.CanImport)
            throw new SnapshotException(ErrorCode.Incompatible, $"{options.Path}: a {format.Title} holds no guest that can be restored", "inspect it instead") { IsPreflight = true };
        await using var writer = await repository.BeginAsync(
            new CheckpointOptions { Name = options.Name, Labels = options.Labels, Codec = options.Codec, Purpose = Purpose }, cancellation);
        using var memory = new StagedMemory(writer.ScratchDirectory);
        await using var input = FileFormats.OpenRead(options.Path);
        var imported = await format.ImportAsync(new ProgressStream(input, progress), memory, cancellation);
        var description = imported.Description;
        if (description.Uri.Length == 0) description = description with { Uri = $"file:{Path.GetFullPath(options.Path)}" };
        if (options.Guest is not null || description.Name.Length == 0)
            description = description with { Name = options.Guest ?? Path.GetFileNameWithoutExtension(options.Path) };
        var guest = await writer.AddGuestAsync(description.Name, description.Blocks, cancellation);
        guest.Description = description;
        await StoreAsync(repository, writer, guest, memory, cancellation);
        foreach (var device in imported.Devices) await writer.AppendAsync(guest, device, cancellation);
        return new ImportResult(await writer.CommitAsync(cancellation), format.Name, imported.Notes);
    }

    /// <summary>Hashes and compresses side by side, appends in order.</summary>
    private static async Task StoreAsync(
        DirectoryRepository repository, CheckpointWriter writer, GuestManifestBuilder guest, StagedMemory memory, CancellationToken cancellation)
    {
        var slots = Environment.ProcessorCount + 1;
        using var pool = new PageChunkPool(2 * slots);
        await using var stage = new OrderedStage<PageChunk, EncodedSection>(
            slots, slots,
            chunk =>
            {
                repository.Hasher.Hash(chunk.Pages, chunk.Hashes);
                return writer.Encode(chunk);
            },
            (section, token) => writer.AppendAsync(guest, section, token),
            cancellation);
        // The stage's own fault is the cause; the wait for a chunk or a place ends with it.
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, stage.Ending);
        try
        {
            await memory.ReadAllAsync(pool.RentAsync, stage.AddAsync, either.Token);
            stage.Complete();
        }
        catch (Exception) when (stage.Fault is not null)
        {
            cancellation.ThrowIfCancellationRequested();
        }
        await stage.Completion;
    }
}
