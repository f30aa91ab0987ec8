using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Rebuilds the catalog.</summary>
internal static class RepairCommand
{
    public static Command Create()
    {
        var command = new Verb(
            "repair", "Rebuild a lost or damaged catalog from the packs; nobody may use the repository meanwhile", "cutpoint repair\ncutpoint repair && cutpoint verify");
        command.SetAction(async (parsed, cancellation) =>
        {
            var report = await DirectoryRepository.RepairAsync(RepositoryAccess.Location(parsed), TimeProvider.System, cancellation);
            var result = new RepairResult(report.Packs, report.Sections, [.. report.Checkpoints.Select(ListedCheckpoint.From)], report.Findings);
            if (parsed.GetValue(CommonOptions.Json))
            {
                JsonOutput.Write(result, JsonOutput.Types.RepairResult);
                return;
            }
            foreach (var finding in result.Findings) Console.Out.WriteLine(finding);
            Console.Out.WriteLine(
                $"the catalog knows {Quantity.Count(result.Checkpoints.Count)} checkpoints, {Quantity.Count(result.Packs)} packs, {Quantity.Count(result.Sections)} sections");
        });
        return command;
    }
}

/// <summary>What repair prints.</summary>
internal sealed record RepairResult(int Packs, long Sections, IReadOnlyList<ListedCheckpoint> Checkpoints, IReadOnlyList<string> Findings);
