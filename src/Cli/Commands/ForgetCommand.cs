using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Takes checkpoints off the list: those that are named, or those no rule keeps.</summary>
internal static class ForgetCommand
{
    private const string Name = "forget";

    public static Command Create()
    {
        var ids = Setting.Arguments("ID", "Id or its beginning, name, or 'latest'", Value.Text);
        ids.Arity = ArgumentArity.ZeroOrMore;
        var last = Keep("last", "Keep the newest N of each set of guests and name");
        var hourly = Keep("hourly", "Keep the newest of each of the last N hours that have one");
        var daily = Keep("daily", "The same for days");
        var weekly = Keep("weekly", "The same for weeks");
        var monthly = Keep("monthly", "The same for months");
        var yearly = Keep("yearly", "The same for years");
        var dryRun = new Option<bool>("--dry-run") { Description = "Say only what would be forgotten, and why the others are kept" };
        var command = new Verb(
            Name, "Take checkpoints off the list, by name or by age; 'gc' frees their space",
            "cutpoint forget before-upgrade\ncutpoint forget latest --dry-run\ncutpoint forget --keep-last 3 --keep-daily 7 --keep-weekly 5 --dry-run")
        {
            ids, last, hourly, daily, weekly, monthly, yearly, dryRun,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var policy = new RetentionPolicy
            {
                Last = parsed.GetValue(last), Hourly = parsed.GetValue(hourly), Daily = parsed.GetValue(daily),
                Weekly = parsed.GetValue(weekly), Monthly = parsed.GetValue(monthly), Yearly = parsed.GetValue(yearly),
            };
            var texts = parsed.GetValue(ids) ?? [];
            if (policy.IsEmpty == (texts.Length == 0))
                throw new SnapshotException(
                    ErrorCode.Usage, policy.IsEmpty ? "nothing says what to forget" : "checkpoints are named and rules are given", "name checkpoints, or give --keep options")
                {
                    IsPreflight = true,
                };
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            var decisions = policy.IsEmpty ? await NamedAsync(repository, texts, cancellation)
                : policy.Decide(await repository.ListAsync(cancellation), TimeZoneInfo.Local);
            var dry = parsed.GetValue(dryRun);
            foreach (var one in decisions.Where(one => !one.IsKept && !dry)) await repository.ForgetAsync(one.Checkpoint.Id, cancellation);
            if (!dry)
            {
                await OverlayNotes.MergeAsync(repository, TimeProvider.System, cancellation);
                if (decisions.Any(one => !one.IsKept)) await OverlayNotes.TellCoordinatorsAsync(repository, TimeProvider.System, cancellation);
            }
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(ForgetResult.From(decisions, dry), JsonOutput.Types.ForgetResult);
            else if (policy.IsEmpty) WriteNamed(decisions, dry);
            else WriteDecisions(decisions, dry);
        });
        return command;
    }

    private static Option<int?> Keep(string rule, string description) =>
        Setting.Create<int?>(Name, $"keep-{rule}", description, text => (int)Math.Min(Value.Positive(text), int.MaxValue), "N");

    /// <summary>All are found before the first is forgotten: a misspelt one forgets none.</summary>
    private static async Task<IReadOnlyList<RetentionDecision>> NamedAsync(DirectoryRepository repository, string[] texts, CancellationToken cancellation)
    {
        var selected = new List<CheckpointInfo>();
        foreach (var text in texts) selected.Add(await repository.ResolveAsync(text, cancellation));
        return [.. selected.DistinctBy(one => one.Id).Select(one => new RetentionDecision(one, []))];
    }

    private static void WriteNamed(IReadOnlyList<RetentionDecision> decisions, bool dry)
    {
        foreach (var one in decisions.Select(decision => decision.Checkpoint))
            Console.Out.WriteLine($"{(dry ? "would forget" : "forgot")} {one.Id}{(one.Name is null ? "" : $" '{one.Name}'")}");
    }

    private static void WriteDecisions(IReadOnlyList<RetentionDecision> decisions, bool dry)
    {
        var table = new Table("ID", "TAKEN", "GUESTS", "NAME", "", "BECAUSE");
        foreach (var (checkpoint, reasons) in decisions.Select(decision => (decision.Checkpoint, decision.Reasons)))
        {
            table.Add(
                checkpoint.Id.ToString(), Quantity.When(checkpoint.CreatedAt), string.Join(',', checkpoint.Guests.Select(guest => guest.Name)), checkpoint.Name ?? "",
                reasons.Count > 0 ? "keep" : "forget", reasons.Count > 0 ? string.Join(", ", reasons) : "no rule keeps it");
        }
        table.Write(Console.Out);
        var gone = decisions.Count(decision => !decision.IsKept);
        Console.Out.WriteLine($"{(dry ? "would forget" : "forgot")} {Quantity.Count(gone)} of {Quantity.Count(decisions.Count)} checkpoints{(gone > 0 && !dry ? "; 'cutpoint gc' frees their space" : "")}");
    }
}

/// <summary>What forget prints.</summary>
internal sealed record ForgetResult(IReadOnlyList<ListedCheckpoint> Forgotten, IReadOnlyList<KeptCheckpoint> Kept, bool IsDryRun)
{
    public static ForgetResult From(IReadOnlyList<RetentionDecision> decisions, bool isDryRun) => new(
        [.. decisions.Where(one => !one.IsKept).Select(one => ListedCheckpoint.From(one.Checkpoint))],
        [.. decisions.Where(one => one.IsKept).Select(one => new KeptCheckpoint(one.Checkpoint.Id.ToString(), one.Checkpoint.Name, one.Reasons))], isDryRun);
}

/// <summary>A checkpoint a rule keeps.</summary>
internal sealed record KeptCheckpoint(string Id, string? Name, IReadOnlyList<string> Reasons);
