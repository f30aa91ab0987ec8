namespace Cutpoint.Workers.Export;

/// <summary>A migration stream that any QEMU since 7.2 loads with -incoming.</summary>
internal sealed class QemuStreamFormat : ExportFormat
{
    public override string Name => "qemu";

    public override string Title => "QEMU migration stream";

    internal override Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation) =>
        new MigrationStream(exporter.Guest) { Progress = exporter.Progress }.WriteAsync(exporter.Output.Stream, cancellation);
}
