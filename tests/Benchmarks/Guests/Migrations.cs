using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>What is done today: QEMU's migrate into a command that compresses into a file.</summary>
internal static class Migrations
{
    /// <summary>A migration through a compressor into a file, which is flushed to the disk and removed. The guest runs on.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="compressor">The command between stream and file, such as "zstd -1 -T2".</param>
    /// <param name="work">Where the file goes.</param>
    public static Contestant Into(FilledGuest guest, string compressor, string work) => new(
        $"migrate \"exec:{compressor} > f\"", cancellation => RunAsync(guest.Guest, compressor, Path.Combine(work, "migrated"), cancellation));

    private static async Task<Trial> RunAsync(Guest guest, string compressor, string path, CancellationToken cancellation)
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
            var trial = new Trial(Stopwatch.GetElapsedTime(started), RandomAccess.GetLength(file));
            File.Delete(path);
            return trial;
        }
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
