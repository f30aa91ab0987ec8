using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Reads every octet and recomputes every digest.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var id = new Argument<string?>("ID") { Description = "Id or its beginning, name, or 'latest'; without it the whole repository", Arity = ArgumentArity.ZeroOrOne };
        var command = new Verb(
            "verify", "Read every octet of a checkpoint, or of the repository, and check it; exit code 5 when something is damaged",
            "cutpoint verify\ncutpoint verify latest") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            var json = parsed.GetValue(CommonOptions.Json);
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            IReadOnlyList<CheckpointInfo>? selected = parsed.GetValue(id) is { } text ? [await repository.ResolveAsync(text, cancellation)] : null;
            VerifyReport report;
            using (var progress = new ByteProgress("verified", json, TimeProvider.System))
            {
                report = await repository.VerifyAsync(
                    selected, new Progressing<VerifyProgress>(value => progress.Report(value.DoneBytes, value.TotalBytes)), cancellation);
            }
            if (json) JsonOutput.Write(VerifyResult.From(report), JsonOutput.Types.VerifyResult);
            else Write(report);
            return report.IsSound ? 0 : (int)ErrorCode.VerificationFailed;
        });
        return command;
    }

    private static void Write(VerifyReport report)
    {
        foreach (var finding in report.Findings)
        {
            Console.Out.WriteLine($"{finding.Location}: {finding.Reason}");
            foreach (var part in finding.Affected) Console.Out.WriteLine($"  hits {part}");
        }
        var read = $"{Quantity.Count(report.Checkpoints)} checkpoints, {Quantity.Count(report.Packs)} packs, {Quantity.Count(report.Sections)} sections, {Quantity.Bytes(report.Bytes)}";
        if (report.IsSound) Console.Out.WriteLine($"sound: {read}");
        else Console.Error.WriteLine($"cutpoint: {Quantity.Count(report.Findings.Count)} findings in {read} — take the checkpoints that are hit again, and see 'cutpoint doctor'");
    }
}

/// <summary>What verify prints.</summary>
internal sealed record VerifyResult(bool IsSound, int Checkpoints, int Packs, long Sections, long Bytes, IReadOnlyList<VerifyResultFinding> Findings)
{
    public static VerifyResult From(VerifyReport report) => new(
        report.IsSound, report.Checkpoints, report.Packs, report.Sections, report.Bytes,
        [.. report.Findings.Select(finding => new VerifyResultFinding(finding.Location, finding.Reason, [.. finding.Affected.Select(part => part.ToString())]))]);
}

/// <summary>One finding of verify.</summary>
internal sealed record VerifyResultFinding(string Location, string Reason, IReadOnlyList<string> Affected);
