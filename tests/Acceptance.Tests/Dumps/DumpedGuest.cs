using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Dumps;

/// <summary>
/// One paused Linux guest with a kernel that left its note: dumped by QEMU in every format it has, taken, and dumped again by cutpoint from the checkpoint.
/// The guest is gone by then.
/// </summary>
public sealed class DumpedGuest : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new();

    /// <summary>QEMU's dumps: elf, paging.elf, kdump.</summary>
    public string Qemu(string name) => _directory.File($"qemu.{name}");

    /// <summary>Ours: elf, paging.elf, kdump-zlib and so on, plain.</summary>
    public string Ours(string name) => _directory.File($"ours.{name}");

    /// <summary>A file for the test.</summary>
    public string Scratch(string name) => _directory.File(name);

    public async Task InitializeAsync()
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var ct = cancellation.Token;
        var cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));
        await RunAsync(cutpoint, ct, "init");
        await using (var guest = await Guest.BootAsync(
            new GuestOptions { RamKiB = 98312, Cpus = 2, VmCoreInfo = true, DefaultDevices = true }, _directory.File("guest"), ct))
        {
            await guest.ExecuteAsync("stop", null, ct);
            await DumpAsync(guest, "elf", new JsonObject { ["paging"] = false }, ct);
            await DumpAsync(guest, "paging.elf", new JsonObject { ["paging"] = true }, ct);
            await DumpAsync(guest, "part.elf", new JsonObject { ["paging"] = false, ["begin"] = 0x80000, ["length"] = 0x100000 }, ct);
            await DumpAsync(guest, "kdump", new JsonObject { ["paging"] = false, ["format"] = "kdump-zlib" }, ct);
            await RunAsync(cutpoint, ct, "take", guest.Uri);
        }
        await ExportAsync("elf", "elf");
        await ExportAsync("paging.elf", "elf", "--paging");
        await ExportAsync("part.elf", "elf", "--begin", "0x80000", "--length", "0x100000");
        foreach (var method in (string[])["zlib", "lzo", "snappy", "zstd"]) await ExportAsync($"kdump-{method}", $"kdump-{method}");
        await ExportAsync("plain", "kdump-zlib", "--plain");

        Task ExportAsync(string name, string format, params string[] options) =>
            RunAsync(cutpoint, ct, ["export", "latest", "--format", format, "-o", Ours(name), .. options]);
    }

    public Task DisposeAsync()
    {
        _directory.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>
    /// Runs one of the judges, on a thread that stays until the judge has ended: crash has the kernel end it with the thread that started it, and a thread of a pool may
    /// end at any time.
    /// </summary>
    /// <returns>Its exit code and words.</returns>
    public static Task<(int ExitCode, string Output, string Error)> JudgeAsync(string program, IEnumerable<string> arguments, string? input = null) =>
        Task.Factory.StartNew(() => Judge(program, arguments, input), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static (int ExitCode, string Output, string Error) Judge(string program, IEnumerable<string> arguments, string? input)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (input is not null)
        {
            using var file = File.OpenRead(input);
            file.CopyTo(process.StandardInput.BaseStream);
        }
        process.StandardInput.Close();
        process.WaitForExit();
        return (process.ExitCode, output.Result, error.Result);
    }

    private async Task DumpAsync(Guest guest, string name, JsonObject arguments, CancellationToken ct)
    {
        arguments["protocol"] = $"file:{Qemu(name)}";
        await guest.ExecuteAsync("dump-guest-memory", arguments, ct);
    }

    private static async Task RunAsync(CutpointProgram cutpoint, CancellationToken ct, params string[] arguments)
    {
        var result = await cutpoint.RunAsync(ct, arguments);
        Assert.True(result.ExitCode == 0, $"cutpoint {string.Join(' ', arguments)}: {result.Error}");
    }
}
