using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Demo;

/// <summary>
/// The main job, as a user would do it with the executable: two Linux guests are checkpointed while they run, killed, and brought back; every claim
/// is checked against the guests themselves.
/// </summary>
internal sealed class Demonstration(string directory, CancellationToken cancellation) : IAsyncDisposable
{
    private readonly CutpointProgram _cutpoint = new(Path.Combine(directory, "repository"), Path.Combine(directory, "state"));
    private readonly Stage _stage = new(13);
    private readonly List<(string What, string Figure)> _figures = [];
    private readonly List<IAsyncDisposable> _running = [];

    public async Task RunAsync()
    {
        var shared = new GuestOptions { DefaultDevices = true };
        var alone = new GuestOptions { Ram = GuestRam.Private };

        Console.WriteLine("Cutpoint's main job, with the executable a user would call and two guests that check their own memory.");
        var a = await _stage.RunAsync("boot a Linux guest of 256 MiB + 8 KiB, RAM in a shared file, default devices", () => BootAsync(shared, "a"));
        var b = await _stage.RunAsync("boot another one, RAM private, -nodefaults", () => BootAsync(alone, "b"));
        await _stage.RunAsync("cutpoint init", () => _cutpoint.QueryAsync(cancellation, "init"));

        var direct = await TakeAsync("take guest a live, over the direct transport", a, "direct");
        var stream = await TakeAsync("take guest b live, over the stream transport", b, "stream");
        await _stage.RunAsync("both guests run on and their memory is right", async () =>
        {
            await RunsOnAsync(a.Serial, "guest a");
            await RunsOnAsync(b.Serial, "guest b");
        });
        await _stage.RunAsync("kill both guests", async () =>
        {
            await a.KillAsync();
            await b.KillAsync();
        });

        await RestoreAsync("cutpoint restore stream --launch: guest b goes on counting", "stream", stream);
        await RestoreAsync("cutpoint restore direct --launch: guest a goes on counting", "direct", direct);
        await _stage.RunAsync("export as BER; openssl and cutpoint walk it", ExportBerAsync);
        await _stage.RunAsync("cutpoint export --format qemu | qemu -incoming fd:0: the same guest again", () => PipeAsync(shared, direct));
        await _stage.RunAsync("cutpoint verify reads every byte", async () =>
        {
            var watch = Stopwatch.StartNew();
            await _cutpoint.QueryAsync(cancellation, "verify", "direct");
            Figure("verify direct", $"{watch.Elapsed.TotalSeconds:F2} s");
        });
        await _stage.RunAsync("cutpoint list, cutpoint show", async () =>
        {
            Console.WriteLine();
            Stage.Show("list", await SayAsync("list"));
            Stage.Show("show direct", await SayAsync("show", "direct"));
        });

        Console.WriteLine();
        var width = _figures.Max(figure => figure.What.Length);
        foreach (var (what, figure) in _figures) Console.WriteLine($"  {what.PadRight(width)}  {figure}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _running) await one.DisposeAsync();
    }

    private async Task<Guest> BootAsync(GuestOptions options, string name)
    {
        var guest = await Guest.BootAsync(options, Path.Combine(directory, name), cancellation);
        _running.Add(guest);
        return guest;
    }

    /// <summary>Takes a checkpoint; returns the counter's last values before and after.</summary>
    private Task<(long Before, long After)> TakeAsync(string what, Guest guest, string transport) => _stage.RunAsync(what, async () =>
    {
        var before = guest.Serial.Counts[^1];
        var watch = Stopwatch.StartNew();
        try
        {
            await ShownAsync("take", guest.Uri, "--name", transport, "--transport", transport);
        }
        catch (DemoException exception) when (!guest.IsAlive)
        {
            throw new DemoException($"{exception.Message}; QEMU has ended: {await guest.Errors}");
        }
        var wall = watch.Elapsed;
        var one = (await _cutpoint.QueryAsync(cancellation, "show", transport))["guests"]![0]!;
        if ((string?)one["transport"] != transport) throw new DemoException($"{what}: it went over {one["transport"]}");
        Figure($"take {transport}", string.Create(CultureInfo.InvariantCulture, $"{wall.TotalSeconds:F2} s wall, {one["passes"]!.AsArray().Count} passes"));
        Figure($"  guest memory, not zero, stored", $"{MiB(one["logicalBytes"])}, {MiB(one["contentBytes"])}, {MiB(one["storedBytes"])}");
        Figure($"  pause, predicted and measured", $"{Milliseconds(one["cut"]!["predictedPause"])}, {Milliseconds(one["cut"]!["pause"])}");
        return (before, guest.Serial.Counts[^1]);
    });

    private Task RestoreAsync(string what, string name, (long Before, long After) counts) => _stage.RunAsync(what, async () =>
    {
        var watch = Stopwatch.StartNew();
        var restored = await _cutpoint.QueryAsync(cancellation, "restore", name, "--launch");
        Figure($"restore {name} to running", $"{watch.Elapsed.TotalSeconds:F2} s wall");
        await using var guest = RestoredGuest.From(restored);
        await guest.Serial.WaitForCountsAsync(3, cancellation);
        GoesOn(guest.Serial, counts, name);
    });

    private async Task ExportBerAsync()
    {
        var file = Path.Combine(directory, "guest.ber");
        var watch = Stopwatch.StartNew();
        await ShownAsync("export", "direct", "--format", "ber", "-o", file);
        var length = new FileInfo(file).Length;
        Figure("export --format ber", string.Create(
            CultureInfo.InvariantCulture, $"{length / 1048576.0:F0} MiB, {length / 1048576.0 / watch.Elapsed.TotalSeconds:F0} MiB/s"));
        await ShellAsync($"openssl asn1parse -inform DER -in {file} > {directory}/asn1");
        var inspected = await _cutpoint.QueryAsync(cancellation, "inspect", file);
        var fields = inspected["units"]!.AsArray().Sum(unit => unit!["fields"]!.AsArray().Count);
        if (inspected["blocks"]!.AsArray().Count == 0 || fields == 0) throw new DemoException("cutpoint inspect names no RAM block or no device field");
        Figure("inspect guest.ber", $"{inspected["blocks"]!.AsArray().Count} RAM blocks, {inspected["units"]!.AsArray().Count} units, {fields} fields");
    }

    private async Task PipeAsync(GuestOptions options, (long Before, long After) counts)
    {
        var home = Path.Combine(directory, "piped");
        Directory.CreateDirectory(home);
        var qemu = string.Join(' ', options.Arguments(home).Select(argument => $"'{argument}'"));
        var start = _cutpoint.Command();
        start.FileName = "/bin/sh";
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"{GuestKit.Executable} export direct --format qemu -o - | exec qemu-system-x86_64 {qemu} -incoming fd:0");
        using var process = Process.Start(start)!;
        try
        {
            var serial = new SerialLog(Path.Combine(home, "serial"));
            await serial.WaitForCountsAsync(3, cancellation);
            GoesOn(serial, counts, "the piped guest");
        }
        finally
        {
            if (Guest.FindByMonitor($"{home}/qmp") is { } id) Process.GetProcessById(id).Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    private static void GoesOn(SerialLog serial, (long Before, long After) counts, string who)
    {
        var first = serial.Counts[0];
        if (first <= counts.Before || first > counts.After + 1)
            throw new DemoException($"{who} went on counting at {first}, the cut was between {counts.Before} and {counts.After}");
        if (serial.Complaints is [var complaint, ..]) throw new DemoException($"{who} complains: {complaint}");
    }

    private async Task RunsOnAsync(SerialLog serial, string who)
    {
        await serial.WaitForCountsAsync(serial.Counts.Count + 2, cancellation);
        if (serial.Complaints is [var complaint, ..]) throw new DemoException($"{who} complains: {complaint}");
    }

    /// <summary>Runs a command that may draw its own progress on the terminal.</summary>
    private async Task ShownAsync(params string[] arguments)
    {
        var start = _cutpoint.Command(arguments);
        start.RedirectStandardError = Console.IsErrorRedirected;
        using var process = Process.Start(start)!;
        try
        {
            var errors = start.RedirectStandardError ? process.StandardError.ReadToEndAsync(cancellation) : Task.FromResult("");
            var output = await process.StandardOutput.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            if (process.ExitCode != 0) throw new DemoException($"cutpoint {string.Join(' ', arguments)}: exit {process.ExitCode}: {output}{await errors}");
        }
        catch (OperationCanceledException)
        {
            await CutpointProgram.StopAsync(process);
            throw;
        }
    }

    private async Task<string> SayAsync(params string[] arguments)
    {
        var result = await _cutpoint.RunAsync(cancellation, arguments);
        return result.ExitCode == 0 ? result.Output : throw new DemoException($"cutpoint {string.Join(' ', arguments)}: {result.Error}");
    }

    private async Task ShellAsync(string command)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]))!;
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0) throw new DemoException($"{command}: exit {process.ExitCode}");
    }

    private void Figure(string what, string figure) => _figures.Add((what, figure));

    private static string MiB(JsonNode? bytes) => string.Create(CultureInfo.InvariantCulture, $"{(double)bytes! / 1048576:F1} MiB");

    private static string Milliseconds(JsonNode? time) =>
        time is null ? "-" : string.Create(CultureInfo.InvariantCulture, $"{TimeSpan.Parse((string)time!, CultureInfo.InvariantCulture).TotalMilliseconds:F1} ms");
}
