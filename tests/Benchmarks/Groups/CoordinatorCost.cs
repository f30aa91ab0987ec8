using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Cutpoint.Benchmarks.Groups;

/// <summary>
/// What the coordinator of one job costs, by the number of its guests: measured in a process that does nothing else, so that its memory is the coordinator's.
/// </summary>
/// <param name="Processor">Processor time of a job.</param>
/// <param name="PeakMemory">The most memory the process ever had, in octets.</param>
internal sealed record CoordinatorCost(TimeSpan Processor, long PeakMemory)
{
    /// <summary>The argument by which this program measures in its own process; the number of guests follows.</summary>
    public const string Verb = "coordinator";

    /// <summary>Measures in a process of its own.</summary>
    public static async Task<CoordinatorCost> OfAsync(int guests, CancellationToken cancellation)
    {
        // What started this one: the program itself, or dotnet with its assembly.
        string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        string[] arguments = [.. self, Verb, guests.ToString(CultureInfo.InvariantCulture)];
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true })!;
        var said = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0) throw new InvalidOperationException($"the coordinator of {guests} guests ended with code {process.ExitCode}");
        var cost = JsonNode.Parse(said)!;
        return new CoordinatorCost(TimeSpan.FromMilliseconds((double)cost["milliseconds"]!), (long)cost["octets"]!);
    }

    /// <summary>Measures in this process: a job to warm up, and the one that counts. Prints what <see cref="OfAsync"/> reads.</summary>
    public static async Task MeasureAsync(int guests, TextWriter output)
    {
        var plan = GroupRows.PlanOf(Enumerable.Range(0, guests).Select(i => $"reference:g{i}"));
        await GroupRows.TakeAsync(new AnsweringWorkers(), plan, CancellationToken.None);
        var before = Process.GetCurrentProcess().TotalProcessorTime;
        await GroupRows.TakeAsync(new AnsweringWorkers(), plan, CancellationToken.None);
        using var now = Process.GetCurrentProcess();
        var cost = new JsonObject { ["milliseconds"] = (now.TotalProcessorTime - before).TotalMilliseconds, ["octets"] = now.PeakWorkingSet64 };
        output.WriteLine(cost.ToJsonString());
    }
}
