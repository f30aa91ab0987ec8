using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Restore;

namespace Cutpoint.Cli.Commands;

/// <summary>Frees what nothing refers to any more.</summary>
internal static class GcCommand
{
    public static Command Create()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Say only what would be removed" };
        var command = new Verb(
            "gc", "Remove packs that no checkpoint needs and what killed jobs and ended guests left behind, and rewrite packs of which little is needed", "cutpoint gc --dry-run\ncutpoint gc") { dryRun };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            if (!parsed.GetValue(dryRun)) await OverlayNotes.MergeAsync(repository, TimeProvider.System, cancellation);
            var runs = RunFiles.Sweep(repository.Directory, parsed.GetValue(dryRun), new OverlayLedger().FilesInUse());
            var report = await repository.CollectGarbageAsync(parsed.GetValue(dryRun), cancellation);
            var result = new GcResult(
                [.. report.UnusedPacks.Select(pack => pack.ToString())], [.. report.LeftoverPacks.Select(pack => pack.ToString())],
                [.. report.RewrittenPacks.Select(pack => pack.ToString())],
                [.. report.DeadJobs.Select(job => job.ToString())], [.. runs.Select(run => run.Path)], report.Bytes + runs.Sum(run => run.Octets), report.IsDryRun);
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(result, JsonOutput.Types.GcResult);
            else Write(result);
        });
        return command;
    }

    private static void Write(GcResult result)
    {
        var would = result.IsDryRun ? "would remove" : "removed";
        foreach (var pack in result.UnusedPacks) Console.Out.WriteLine($"{would} pack {pack}, which no checkpoint needs");
        foreach (var pack in result.LeftoverPacks) Console.Out.WriteLine($"{would} pack {pack}, left by a job that died");
        foreach (var pack in result.RewrittenPacks) Console.Out.WriteLine($"{(result.IsDryRun ? "would rewrite" : "rewrote")} pack {pack}, of which little is needed");
        foreach (var run in result.Runs) Console.Out.WriteLine($"{would} {run}, left by a guest that has ended");
        Console.Out.WriteLine($"{(result.IsDryRun ? "would free" : "freed")} {Quantity.Bytes(result.Bytes)}");
    }
}

/// <summary>What gc prints.</summary>
internal sealed record GcResult(
    IReadOnlyList<string> UnusedPacks, IReadOnlyList<string> LeftoverPacks, IReadOnlyList<string> RewrittenPacks, IReadOnlyList<string> DeadJobs, IReadOnlyList<string> Runs, long Bytes, bool IsDryRun);
