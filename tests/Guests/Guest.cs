using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Cutpoint.TestGuests;

/// <summary>A running QEMU with the test guest, in a directory of its own: qmp, serial, ram, stderr. Killed when disposed.</summary>
public sealed class Guest : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    private Guest(Process process, string directory, GuestOptions options)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
        Directory = directory;
        Options = options;
        Serial = new SerialLog(Path.Combine(directory, "serial"));
    }

    /// <summary>Where the guest's files are.</summary>
    public string Directory { get; }

    /// <summary>What was asked for.</summary>
    public GuestOptions Options { get; }

    /// <summary>The guest's serial line.</summary>
    public SerialLog Serial { get; }

    /// <summary>Path of the QMP socket.</summary>
    public string Monitor => Path.Combine(Directory, "qmp");

    /// <summary>The guest URI for cutpoint.</summary>
    public string Uri => $"qemu:{Monitor}";

    /// <summary>QEMU's process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>True while QEMU lives.</summary>
    public bool IsAlive => !_process.HasExited;

    /// <summary>Starts QEMU; returns when its monitor listens.</summary>
    public static async Task<Guest> StartAsync(GuestOptions options, string directory, CancellationToken cancellation)
    {
        await GuestKit.EnsureAsync(cancellation);
        return await StartAsync(options, options.Arguments(directory), directory, cancellation);
    }

    /// <summary>Starts a machine with little memory and no system, for tests that are about what is around it; returns when its monitor listens.</summary>
    /// <param name="directory">For its files.</param>
    /// <param name="devices">Further arguments of QEMU.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public static Task<Guest> StartBareAsync(string directory, IEnumerable<string> devices, CancellationToken cancellation) => StartAsync(
        new GuestOptions { RamKiB = 16 << 10 },
        [
            "-accel", GuestOptions.Accelerator, "-nodefaults", "-display", "none", "-m", "16M", "-object", $"memory-backend-file,id=ram0,size=16M,share=on,mem-path={directory}/ram",
            "-machine", "pc,memory-backend=ram0", "-qmp", $"unix:{directory}/qmp,server=on,wait=off", .. devices,
        ], directory, cancellation);

    private static async Task<Guest> StartAsync(GuestOptions options, IEnumerable<string> arguments, string directory, CancellationToken cancellation)
    {
        System.IO.Directory.CreateDirectory(directory);
        var start = new ProcessStartInfo("qemu-system-x86_64", arguments) { RedirectStandardError = true, RedirectStandardInput = true };
        var guest = new Guest(Process.Start(start)!, directory, options);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (!File.Exists(guest.Monitor))
        {
            if (!guest.IsAlive) throw new InvalidOperationException($"QEMU ended: {await guest._errors}");
            await timer.WaitForNextTickAsync(cancellation);
        }
        return guest;
    }

    /// <summary>Starts QEMU and waits until the guest's program has counted to two, and until the first block is on its disk where it writes some.</summary>
    public static async Task<Guest> BootAsync(GuestOptions options, string directory, CancellationToken cancellation)
    {
        var guest = await StartAsync(options, directory, cancellation);
        try
        {
            await guest.Serial.WaitForCountsAsync(2, cancellation);
            if (options.Numbers is not null) await guest.Serial.WaitForBlocksAsync(1, cancellation);
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>What QEMU said on its standard error; complete once it has ended.</summary>
    public Task<string> Errors => _errors;

    /// <summary>Executes a QMP command on a connection of its own.</summary>
    public Task<JsonNode?> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellation) =>
        QmpProbe.ExecuteAsync(Monitor, command, arguments, cancellation);

    /// <summary>The guest's run state, such as "running" or "paused".</summary>
    public async Task<string> StatusAsync(CancellationToken cancellation) =>
        (string)(await ExecuteAsync("query-status", null, cancellation))!["status"]!;

    /// <summary>QEMU's own dump of the stopped guest's memory: an ELF core without paging.</summary>
    public async Task DumpAsync(string path, CancellationToken cancellation) =>
        await DumpAsync(Monitor, path, cancellation);

    /// <summary>QEMU's own dump of the memory of the stopped guest behind a monitor.</summary>
    public static async Task DumpAsync(string monitor, string path, CancellationToken cancellation) =>
        await QmpProbe.ExecuteAsync(monitor, "dump-guest-memory", new JsonObject { ["paging"] = false, ["protocol"] = $"file:{path}" }, cancellation);

    /// <summary>The process that listens on a QMP socket started by somebody else.</summary>
    public static int? FindByMonitor(string monitor) => FindUnder(monitor).Cast<int?>().FirstOrDefault();

    /// <summary>Every QEMU whose command line names something in a directory.</summary>
    public static IEnumerable<int> FindUnder(string directory)
    {
        foreach (var entry in System.IO.Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out var id) && IsQemuOf(id, directory)) yield return id;
        }
    }

    private static bool IsQemuOf(int process, string directory)
    {
        try
        {
            var command = File.ReadAllText($"/proc/{process}/cmdline");
            return Path.GetFileName(command.Split('\0')[0]).StartsWith("qemu", StringComparison.Ordinal) && command.Contains(directory, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // The process ended between the listing and the look.
            return false;
        }
    }

    /// <summary>Ends QEMU at once, as a lost host would.</summary>
    public async Task KillAsync()
    {
        if (IsAlive) _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }
}
