using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Cli.Commands;

/// <summary>Puts back the guests of killed jobs, and looks the repository over.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var command = new Verb(
            "doctor", "Put back guests that killed jobs left paused or altered, and look the repository over; exit code 5 when something is damaged",
            "cutpoint doctor");
        command.SetAction(async (parsed, cancellation) =>
        {
            var intents = new FreezeIntents(time: TimeProvider.System);
            var findings = new List<DoctorFinding>();
            foreach (var outcome in await intents.RecoverAsync(null, cancellation)) findings.Add(Describe(outcome));
            findings.AddRange(await ExamineAsync(parsed, cancellation));

            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(new DoctorResult(findings), JsonOutput.Types.DoctorResult);
            else Write(findings);
            return findings.Exists(finding => finding.Severity == DoctorSeverity.Damage) ? (int)ErrorCode.VerificationFailed : 0;
        });
        return command;
    }

    private static DoctorFinding Describe(FreezeOutcome outcome) => outcome.Problem is { } problem
        ? new DoctorFinding(DoctorSeverity.Damage, $"{outcome.Socket}: {outcome.Details}: {problem.Message}", problem.Advice)
        : new DoctorFinding(DoctorSeverity.Note, $"{outcome.Socket}: {outcome.Details}; the guest is {outcome.Status}", null);

    private static DoctorFinding Describe(OverlayOutcome outcome) => outcome.Problem is { } problem
        ? new DoctorFinding(DoctorSeverity.Leftover, problem.Message, problem.Advice)
        : new DoctorFinding(DoctorSeverity.Note, $"{outcome.Socket}: {outcome.Details}", null);

    private static DoctorFinding Describe(ListedJob unreadable) => new(
        unreadable.Problem!.Code == ErrorCode.VerificationFailed ? DoctorSeverity.Damage : DoctorSeverity.Note,
        $"job {unreadable.Id} cannot be told about: {unreadable.Problem.Message}", unreadable.Problem.Advice);

    /// <summary>A repository that cannot be opened is a finding like others: the guests were put back all the same.</summary>
    private static async Task<IReadOnlyList<DoctorFinding>> ExamineAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var location = RepositoryAccess.Location(parsed);
        try
        {
            if (location.Key is null && DirectoryRepository.ListKeys(location).Count > 0)
                return await DirectoryRepository.ExamineStructureAsync(location, TimeProvider.System, cancellation);
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            var overlays = await OverlayNotes.RunAsync(repository, TimeProvider.System, cancellation);
            await using var database = await JobDatabase.TryOpenAsync(repository, TimeProvider.System, cancellation);
            var unreadable = (await ListedJob.ReadAsync(repository, database, cancellation)).Where(job => job.Problem is not null);
            return [.. overlays.Select(Describe), .. unreadable.Select(Describe), .. await repository.ExamineAsync(cancellation)];
        }
        catch (SnapshotException exception) when (exception.Code != ErrorCode.NotAuthorised)
        {
            var severity = exception.Code == ErrorCode.NotFound ? DoctorSeverity.Note : DoctorSeverity.Damage;
            return [new DoctorFinding(severity, exception.Message, exception.Advice)];
        }
    }

    private static void Write(List<DoctorFinding> findings)
    {
        foreach (var finding in findings)
            Console.Out.WriteLine($"{finding.Severity.ToString().ToLowerInvariant()}: {finding.Message}{(finding.Advice is null ? "" : $" — {finding.Advice}")}");
        if (findings.Count == 0) Console.Out.WriteLine("nothing to put back, nothing left over, nothing damaged");
    }
}

/// <summary>What doctor prints.</summary>
internal sealed record DoctorResult(IReadOnlyList<DoctorFinding> Findings);
