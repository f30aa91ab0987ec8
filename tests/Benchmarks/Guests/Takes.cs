using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// <c>cutpoint take</c> as a user calls it, each time into a repository of its own: in one that knows the guest hardly anything would be stored. A take
/// that has ended is durable.
/// </summary>
internal static class Takes
{
    /// <summary>Takes of a guest.</summary>
    /// <param name="uri">The guest.</param>
    /// <param name="work">Where the repository goes.</param>
    /// <param name="options">Further options of take.</param>
    public static Contestant Of(string uri, string work, params string[] options) =>
        new($"cutpoint take {string.Join(' ', options)}", cancellation => RunAsync(uri, work, [], options, static _ => null, cancellation));

    /// <summary>The second take of a guest into one repository: the first is not timed, and what it has stored is not counted.</summary>
    public static Contestant Second(string uri, string work) =>
        new("cutpoint take, the second time", cancellation => RunAsync(uri, work, [], [], static _ => null, cancellation, isSecond: true));

    /// <summary>The same into repositories that are encrypted with a key file.</summary>
    public static Contestant Encrypted(string uri, string work, params string[] options)
    {
        string[] key = ["--key-file", Path.Combine(work, "take", "key")];
        return new($"cutpoint take --key-file k {string.Join(' ', options)}", cancellation =>
            RunAsync(uri, work, ["--encrypt", .. key], [.. options, .. key], static _ => null, cancellation));
    }

    /// <summary>A take whose memory is watched, which disturbs it a little.</summary>
    /// <returns>The most anonymous memory it and its guard had at one time, in octets.</returns>
    public static async Task<long> PeakMemoryAsync(string uri, string work, CancellationToken cancellation, params string[] options)
    {
        MemoryWatch? watch = null;
        await RunAsync(uri, work, [], options, process => watch = new MemoryWatch(process), cancellation);
        return watch!.Peak;
    }

    /// <summary>Octets in the packs of a repository: all that was written, not only what a checkpoint says it stored.</summary>
    public static long StoredIn(string repository) => Directory.EnumerateFiles(Path.Combine(repository, "packs")).Sum(pack => new FileInfo(pack).Length);

    private static async Task<Trial> RunAsync(
        string uri, string work, string[] kind, string[] options, Func<int, IAsyncDisposable?> watch, CancellationToken cancellation,
        bool isSecond = false)
    {
        var home = Directory.CreateDirectory(Path.Combine(work, "take")).FullName;
        try
        {
            var cutpoint = new CutpointProgram(Path.Combine(home, "repository"), Path.Combine(home, "state"));
            await cutpoint.QueryAsync(cancellation, ["init", .. kind]);
            if (isSecond) await cutpoint.QueryAsync(cancellation, ["take", uri, .. options]);
            var before = isSecond ? StoredIn(cutpoint.Repository) : 0;
            var started = Stopwatch.GetTimestamp();
            using var process = cutpoint.Start(["take", uri, .. options, "--json"]);
            await using var watching = watch(process.Id);
            var result = await CutpointProgram.FinishAsync(process, cancellation);
            var wall = Stopwatch.GetElapsedTime(started);
            if (result.ExitCode != 0) throw new InvalidOperationException($"take {uri}: exit {result.ExitCode}: {result.Error}");
            return new Trial(wall, StoredIn(cutpoint.Repository) - before, JsonNode.Parse(result.Output));
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }
}
