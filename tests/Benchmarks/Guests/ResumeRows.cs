using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// What <c>resume</c> is held to: a job that was killed when nearly all was stored costs a fraction of a fresh one. Which moment that is, a fresh take has shown.
/// </summary>
internal static class ResumeRows
{
    private const string Name = "resume";
    private const int GuestMiB = 4096;
    private const double KilledAt = 0.9;
    private const int Pairs = 3;
    private const int SigKill = 9, Interrupted = 8, Locked = 11;

    public static IEnumerable<BenchRow> All => [new(Name, ResumeAsync)];

    private static async Task<bool> ResumeAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var uri = (await guests.OfAsync(GuestMiB, cancellation)).Guest.Uri;
        string[] options = ["--transport", "direct", "--codec", "zstd:1"];
        var fresh = Takes.Of(uri, guests.Work, options);
        var whole = (await fresh.RunAsync(cancellation)).Octets;
        var resumed = new Contestant(
            $"cutpoint resume, after a kill at {KilledAt:P0}", token => RunAsync(uri, guests.Work, options, (long)(whole * KilledAt), token));
        // What is stored twice is the third of a pack at most, which is far less than a tenth of so large a guest.
        var result = await new Contest(resumed, fresh, 0.5, 1.1, Pairs).RunAsync(cancellation);
        result.Write(Name, output);
        return result.IsReached;
    }

    private static async Task<Trial> RunAsync(string uri, string work, string[] options, long killedAt, CancellationToken cancellation)
    {
        var home = Directory.CreateDirectory(Path.Combine(work, Name)).FullName;
        try
        {
            var cutpoint = new CutpointProgram(Path.Combine(home, "repository"), Path.Combine(home, "state"));
            await cutpoint.QueryAsync(cancellation, "init");
            await KillAsync(cutpoint, ["take", uri, .. options, "--json"], killedAt, cancellation);
            var id = (string)(await cutpoint.QueryAsync(cancellation, "list"))["jobs"]!.AsArray().Single()!["id"]!;
            var started = Stopwatch.GetTimestamp();
            CutpointResult result;
            // The guard of the killed take may have the guest for a moment longer: that is time a user waits too.
            do result = await cutpoint.RunAsync(cancellation, "resume", id, "--json");
            while (result.ExitCode is Interrupted or Locked);
            var wall = Stopwatch.GetElapsedTime(started);
            if (result.ExitCode != 0) throw new InvalidOperationException($"resume: exit {result.ExitCode}: {result.Error}");
            return new Trial(wall, Takes.StoredIn(cutpoint.Repository), JsonNode.Parse(result.Output));
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task KillAsync(CutpointProgram cutpoint, string[] arguments, long killedAt, CancellationToken cancellation)
    {
        using var process = cutpoint.Start(arguments);
        var end = CutpointProgram.FinishAsync(process, cancellation);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!end.IsCompleted && Takes.StoredIn(cutpoint.Repository) < killedAt) await timer.WaitForNextTickAsync(cancellation);
        CutpointProgram.Signal(process, SigKill);
        var result = await end;
        if (result.ExitCode != 128 + SigKill) throw new InvalidOperationException($"the take ended before it was killed: exit {result.ExitCode}: {result.Error}");
    }
}
