using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>What <c>restore --launch</c> is held to: the time until the guest runs, against a QEMU that loads its own stream through a decompressor.</summary>
internal static class RestoreRows
{
    private const int GuestMiB = 1024;
    private const string Name = "restore-direct";

    public static IEnumerable<BenchRow> All => [new(Name, RestoreAsync)];

    private static async Task<bool> RestoreAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var guest = await guests.OfAsync(GuestMiB, cancellation);
        var home = Directory.CreateDirectory(Path.Combine(guests.Work, "restore")).FullName;
        try
        {
            var cutpoint = new CutpointProgram(Path.Combine(home, "repository"), Path.Combine(home, "state"));
            await cutpoint.QueryAsync(cancellation, "init");
            await cutpoint.QueryAsync(cancellation, "take", guest.Guest.Uri, "--name", "one", "--transport", "direct", "--codec", "zstd:1");
            var stream = Path.Combine(home, "stream");
            await Migrations.WriteAsync(guest.Guest, "zstd -1 -T2", stream, cancellation);
            var ours = new Contestant("cutpoint restore one --launch", token => LaunchAsync(cutpoint, token));
            var result = await new Contest(ours, Migrations.From(guest, "zstd -dc", stream), 0.8).RunAsync(cancellation);
            result.Write(Name, output);
            return result.IsReached;
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    /// <summary>One restore, by itself: without the collection the next one would be a clone, which reads nothing.</summary>
    private static async Task<Trial> LaunchAsync(CutpointProgram cutpoint, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        var result = await cutpoint.RunAsync(cancellation, "restore", "one", "--launch", "--json");
        var wall = Stopwatch.GetElapsedTime(started);
        if (result.ExitCode != 0) throw new InvalidOperationException($"restore: exit {result.ExitCode}: {result.Error}");
        var restored = JsonNode.Parse(result.Output)!;
        await using (RestoredGuest.From(restored))
        {
            if ((string?)restored["guests"]![0]!["status"] is not "running" and var status) throw new InvalidOperationException($"restore left the guest {status}");
        }
        await cutpoint.QueryAsync(cancellation, "gc");
        return new Trial(wall, 0);
    }
}
