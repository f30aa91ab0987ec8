using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>What is done today: QEMU's migrate into a command that compresses into a file, and its way back.</summary>
internal static class Migrations
{
    /// <summary>A migration through a compressor into a file, which is flushed to the disk and removed. The guest runs on.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="compressor">The command between stream and file, such as "zstd -1 -T2".</param>
    /// <param name="work">Where the file goes.</param>
    public static Contestant Into(FilledGuest guest, string compressor, string work) => new(
        $"migrate \"exec:{compressor} > f\"", cancellation => RunAsync(guest.Guest, compressor, Path.Combine(work, "migrated"), cancellation));

    /// <summary>A QEMU that starts with such a file, until its guest runs by the word of its monitor. It is killed then.</summary>
    /// <param name="guest">The guest the file was made of.</param>
    /// <param name="decompressor">The command between file and stream, such as "zstd -dc".</param>
    /// <param name="path">The file.</param>
    public static Contestant From(FilledGuest guest, string decompressor, string path) => new(
        $"qemu -incoming \"exec:{decompressor} f\"", cancellation => LoadAsync(guest.Guest, $"exec:{decompressor} {path}", cancellation));

    /// <summary>Migrates a guest through a compressor into a file, which is flushed to the disk. The guest runs on.</summary>
    public static async Task<Trial> WriteAsync(Guest guest, string compressor, string path, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        using (var monitor = await QmpProbe.ConnectAsync(guest.Monitor, cancellation))
        {
            // QEMU sends no more than 128 MiB/s unless it is told otherwise.
            await monitor.ExecuteAsync("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = 0 }, cancellation);
            await monitor.ExecuteAsync("migrate-set-capabilities", new JsonObject { ["capabilities"] = new JsonArray(new JsonObject { ["capability"] = "events", ["state"] = true }) }, cancellation);
            await monitor.ExecuteAsync("migrate", new JsonObject { ["uri"] = $"exec:{compressor} > {path}" }, cancellation);
            while (true)
            {
                var happened = await monitor.EventAsync("MIGRATION", cancellation);
                var status = (string?)happened["data"]!["status"];
                if (status == "failed") throw new InvalidOperationException($"the migration failed: {await monitor.ExecuteAsync("query-migrate", null, cancellation)}");
                if (status == "completed") break;
            }
            await ContinueAsync(monitor, cancellation);
        }
        // QEMU has waited for the compressor before it called the migration completed.
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            RandomAccess.FlushToDisk(file);
            return new Trial(Stopwatch.GetElapsedTime(started), RandomAccess.GetLength(file));
        }
    }

    private static async Task<Trial> RunAsync(Guest guest, string compressor, string path, CancellationToken cancellation)
    {
        var trial = await WriteAsync(guest, compressor, path, cancellation);
        File.Delete(path);
        return trial;
    }

    private static async Task<Trial> LoadAsync(Guest guest, string source, CancellationToken cancellation)
    {
        // Its RAM lies where the guest's lies: in shared memory.
        var home = Directory.CreateDirectory($"{guest.Directory}-loaded").FullName;
        var arguments = (guest.Options with { Extra = ["-incoming", source] }).Arguments(home);
        var started = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo("qemu-system-x86_64", arguments) { RedirectStandardInput = true })!;
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
            using var monitor = await ReachAsync(Path.Combine(home, "qmp"), process, timer, cancellation);
            while (!(bool)(await monitor.ExecuteAsync("query-status", null, cancellation))!["running"]!) await timer.WaitForNextTickAsync(cancellation);
            return new Trial(Stopwatch.GetElapsedTime(started), 0);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task<QmpProbe> ReachAsync(string monitor, Process process, PeriodicTimer timer, CancellationToken cancellation)
    {
        while (!process.HasExited)
        {
            await timer.WaitForNextTickAsync(cancellation);
            try
            {
                if (File.Exists(monitor)) return await QmpProbe.ConnectAsync(monitor, cancellation);
            }
            catch (SocketException)
            {
                // Its socket is there a moment before it listens.
                continue;
            }
        }
        throw new InvalidOperationException($"QEMU ended with code {process.ExitCode} before its monitor was up");
    }

    /// <summary>The event comes before the run state changes, so that QEMU may refuse for a moment.</summary>
    private static async Task ContinueAsync(QmpProbe monitor, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (true)
        {
            try
            {
                await monitor.ExecuteAsync("cont", null, cancellation);
                return;
            }
            catch (InvalidOperationException refused) when (refused.Message.Contains("finalized", StringComparison.Ordinal))
            {
                await timer.WaitForNextTickAsync(cancellation);
            }
        }
    }
}
