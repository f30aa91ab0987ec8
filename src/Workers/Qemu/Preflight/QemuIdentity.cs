using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>What makes a guest's state fit a QEMU: the machine, its CPUs, its RAM blocks.</summary>
internal sealed record QemuIdentity
{
    internal required Version Version { get; init; }

    internal required string? MachineType { get; init; }

    internal required string? CpuModel { get; init; }

    internal required int CpuCount { get; init; }

    internal required string Accelerator { get; init; }

    internal required IReadOnlyList<RamBlock> Blocks { get; init; }

    internal static Task<QemuIdentity> ReadAsync(QmpClient monitor, CancellationToken cancellation) =>
        ReadAsync(monitor, ReadBlocksAsync(monitor, cancellation), cancellation);

    internal static async Task<IReadOnlyList<RamBlock>> ReadBlocksAsync(QmpClient monitor, CancellationToken cancellation) =>
        RamBlockTable.Parse(await monitor.HumanMonitorAsync("info ramblock", cancellation));

    /// <summary>Asks for everything but the blocks, which somebody needs before that.</summary>
    internal static async Task<QemuIdentity> ReadAsync(
        QmpClient monitor, Task<IReadOnlyList<RamBlock>> blocks, CancellationToken cancellation)
    {
        // Sent together: the monitor answers in order, and nobody waits for a round trip per question.
        var machine = PropertyAsync(monitor, "/machine", "type", cancellation);
        var processors = monitor.ExecuteAsync("query-cpus-fast", cancellation);
        var kvm = monitor.ExecuteAsync("query-kvm", cancellation);
        await Task.WhenAll(machine, processors, kvm, blocks);
        var cpus = (await processors).EnumerateArray().ToList();
        return new QemuIdentity
        {
            Version = monitor.Greeting?.Version ?? throw new InvalidOperationException("the monitor was not greeted by this process"),
            MachineType = (await machine)?.Replace("-machine", "", StringComparison.Ordinal),
            CpuModel = await CpuModelAsync(monitor, cpus, cancellation),
            CpuCount = cpus.Count,
            Accelerator = (await kvm).GetProperty("enabled").GetBoolean() ? "kvm" : "tcg",
            Blocks = await blocks,
        };
    }

    private static async Task<string?> CpuModelAsync(QmpClient monitor, List<JsonElement> cpus, CancellationToken cancellation)
    {
        if (cpus.Count == 0 || cpus[0].Text("qom-path") is not { } path) return null;
        // "qemu64-x86_64-cpu" is the type of the model "qemu64".
        var type = await PropertyAsync(monitor, path, "type", cancellation);
        var suffix = $"-{cpus[0].Text("target")}-cpu";
        return type is not null && type.EndsWith(suffix, StringComparison.Ordinal) ? type[..^suffix.Length] : type;
    }

    private static async Task<string?> PropertyAsync(QmpClient monitor, string path, string property, CancellationToken cancellation)
    {
        var value = await monitor.ExecuteAsync("qom-get", writer =>
        {
            writer.WriteString("path", path);
            writer.WriteString("property", property);
        }, QmpClient.CommandDeadline, cancellation);
        return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
