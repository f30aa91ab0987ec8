using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Dumps;

/// <summary>A paused guest of QEMU's ARM machine with two CPUs, one of them in 32-bit code: dumped by QEMU, taken, and dumped again from the checkpoint.</summary>
public sealed class ArmGuest : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new();

    /// <summary>QEMU's dumps: elf, kdump.</summary>
    public string Qemu(string name) => _directory.File($"qemu.{name}");

    /// <summary>Ours: elf, kdump, plain; imported.elf of the guest's migration stream; restored.elf, which QEMU made of the guest that was brought back.</summary>
    public string Ours(string name) => _directory.File($"ours.{name}");

    /// <summary>A file for the test.</summary>
    public string Scratch(string name) => _directory.File(name);

    public async Task InitializeAsync()
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var ct = cancellation.Token;
        var cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));
        await RunAsync(cutpoint, ct, "init");
        var (monitor, serial) = (_directory.File("qmp"), _directory.File("serial"));
        using var qemu = Process.Start("qemu-system-aarch64", [
            "-machine", "virt", "-accel", "tcg", "-cpu", "cortex-a57", "-smp", "2", "-m", "70M", "-nodefaults", "-display", "none", "-device", "vmcoreinfo",
            "-kernel", Path.Combine(AppContext.BaseDirectory, "virt.elf"), "-serial", $"file:{serial}", "-qmp", $"unix:{monitor},server=on,wait=off"]);
        try
        {
            // It says so when both CPUs are where they stay.
            await UntilAsync(() => File.Exists(serial) && new FileInfo(serial).Length > 0, ct);
            await QmpProbe.ExecuteAsync(monitor, "stop", null, ct);
            await DumpAsync(monitor, "elf", new JsonObject { ["paging"] = false }, ct);
            await DumpAsync(monitor, "kdump", new JsonObject { ["paging"] = false, ["format"] = "kdump-zlib" }, ct);
            await RunAsync(cutpoint, ct, "take", $"qemu:{monitor}");
        }
        finally
        {
            qemu.Kill();
            await qemu.WaitForExitAsync(ct);
        }
        await RunAsync(cutpoint, ct, "export", "latest", "--format", "elf", "-o", Ours("elf"));
        await RunAsync(cutpoint, ct, "export", "latest", "--format", "kdump-zlib", "--plain", "-o", Ours("plain"));
        await RunAsync(cutpoint, ct, "export", "latest", "--format", "kdump-zstd", "-o", Ours("kdump"));
        await using (var restored = RestoredGuest.From(await cutpoint.QueryAsync(ct, "restore", "latest", "--launch")))
            await Guest.DumpAsync(restored.Monitor, Ours("restored.elf"), ct);
        await RunAsync(cutpoint, ct, "export", "latest", "--format", "qemu", "-o", Scratch("stream"));
        await RunAsync(cutpoint, ct, "import", Scratch("stream"), "--name", "imported");
        await RunAsync(cutpoint, ct, "export", "imported", "--format", "elf", "-o", Ours("imported.elf"));
        Paging = await cutpoint.RunAsync(ct, "export", "latest", "--format", "elf", "--paging", "-o", Scratch("paging"));
        Inspected = await cutpoint.QueryAsync(ct, "inspect", Ours("kdump"));
    }

    /// <summary>What an export with virtual addresses said.</summary>
    public CutpointResult? Paging { get; private set; }

    /// <summary>What inspect says of our flattened kdump file.</summary>
    public JsonNode? Inspected { get; private set; }

    public Task DisposeAsync()
    {
        _directory.Dispose();
        return Task.CompletedTask;
    }

    private static async Task UntilAsync(Func<bool> isSo, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!isSo()) await timer.WaitForNextTickAsync(ct);
    }

    private async Task DumpAsync(string monitor, string name, JsonObject arguments, CancellationToken ct)
    {
        arguments["protocol"] = $"file:{Qemu(name)}";
        await QmpProbe.ExecuteAsync(monitor, "dump-guest-memory", arguments, ct);
    }

    private static async Task RunAsync(CutpointProgram cutpoint, CancellationToken ct, params string[] arguments)
    {
        var result = await cutpoint.RunAsync(ct, arguments);
        Assert.True(result.ExitCode == 0, $"cutpoint {string.Join(' ', arguments)}: {result.Error}");
    }
}
