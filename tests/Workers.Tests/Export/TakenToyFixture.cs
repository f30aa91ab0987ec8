using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Tests.Restore;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>One checkpoint of a real guest, for tests that only read it.</summary>
public sealed class TakenToyFixture : IAsyncLifetime
{
    internal TakenToy Taken { get; private set; } = null!;

    public async Task InitializeAsync() => Taken = await TakenToy.TakeAsync(TakenToy.FileRam);

    public async Task DisposeAsync() => await Taken.DisposeAsync();

    internal Task<ExportResult> ExportAsync(string format, string output, IProgress<MemoryProgress>? progress = null, CancellationToken cancellation = default) =>
        ExportAsync(Taken.Checkpoint, format, output, progress, cancellation);

    internal Task<ExportResult> ExportAsync(
        CheckpointInfo checkpoint, string format, string output, IProgress<MemoryProgress>? progress = null, CancellationToken cancellation = default) =>
        ExportJob.RunAsync(
            Taken.Repository, new ExportOptions { Checkpoint = checkpoint.Id.ToString(), Format = format, Output = output }, progress, cancellation);

    internal async Task<CheckpointInfo> ImportAsync(string path) =>
        (await ImportJob.RunAsync(Taken.Repository, new ImportOptions { Path = path }, null, default)).Checkpoint;
}
