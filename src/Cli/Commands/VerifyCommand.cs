using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Reads every octet and recomputes every digest.</summary>
internal static class VerifyCommand
{
    private const string Name = "verify";

    public static Command Create()
    {
        var id = new Argument<string?>("ID") { Description = "Id or its beginning, name, or 'latest'; without it the whole repository", Arity = ArgumentArity.ZeroOrOne };
        var sample = Setting.Create<double?>(
            Name, "sample", "Read only so much of the sections, picked anew each time, and everything else: a daily 5% comes past all of them", text => Value.Percent(text), "P%");
        var onlyNew = new Option<bool>("--new") { Description = "Read only packs that were never found sound; look at the rest without reading it whole" };
        var command = new Verb(
            Name, "Read every octet of a checkpoint, or of the repository, and check it; exit code 5 when something is damaged",
            "cutpoint verify\ncutpoint verify latest\ncutpoint verify --new\ncutpoint verify --sample 5%") { id, sample, onlyNew };
        command.SetAction(async (parsed, cancellation) =>
        {
            var json = parsed.GetValue(CommonOptions.Json);
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            var options = new VerifyOptions
            {
                Checkpoints = parsed.GetValue(id) is { } text ? [await repository.ResolveAsync(text, cancellation)] : null,
                Sample = parsed.GetValue(sample) is { } percent ? new VerifySample(percent / 100, Random.Shared) : null,
                OnlyNew = parsed.GetValue(onlyNew),
            };
            VerifyReport report;
            using (var progress = new ByteProgress("verified", json, TimeProvider.System))
            {
                report = await repository.VerifyAsync(
                    options, new Progressing<VerifyProgress>(value => progress.Report(value.DoneBytes, value.TotalBytes)), cancellation);
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
        var sections = report.SectionsRead == report.Sections ? Quantity.Count(report.Sections) : $"{Quantity.Count(report.SectionsRead)} of {Quantity.Count(report.Sections)}";
        var read = $"{Quantity.Count(report.Checkpoints)} checkpoints, {Quantity.Count(report.Packs)} packs, {sections} sections, {Quantity.Bytes(report.Bytes)}";
        if (report.IsSound) Console.Out.WriteLine($"sound: {read}");
        else Console.Error.WriteLine($"cutpoint: {Quantity.Count(report.Findings.Count)} findings in {read} — take the checkpoints that are hit again, and see 'cutpoint doctor'");
    }
}

/// <summary>What verify prints.</summary>
internal sealed record VerifyResult(bool IsSound, int Checkpoints, int Packs, long Sections, long SectionsRead, long Bytes, IReadOnlyList<VerifyResultFinding> Findings)
{
    public static VerifyResult From(VerifyReport report) => new(
        report.IsSound, report.Checkpoints, report.Packs, report.Sections, report.SectionsRead, report.Bytes,
        [.. report.Findings.Select(finding => new VerifyResultFinding(finding.Location, finding.Reason, [.. finding.Affected.Select(part => part.ToString())]))]);
}

/// <summary>One finding of verify.</summary>
internal sealed record VerifyResultFinding(string Location, string Reason, IReadOnlyList<string> Affected);
