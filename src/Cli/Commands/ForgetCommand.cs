using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Takes checkpoints off the list.</summary>
internal static class ForgetCommand
{
    public static Command Create()
    {
        var ids = Setting.Arguments("ID", "Id or its beginning, name, or 'latest'", Value.Text);
        var dryRun = new Option<bool>("--dry-run") { Description = "Say only what would be forgotten" };
        var command = new Verb(
            "forget", "Take checkpoints off the list; 'gc' frees their space", "cutpoint forget before-upgrade\ncutpoint forget latest --dry-run") { ids, dryRun };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            // All are found before the first is forgotten: a misspelt one forgets none.
            var selected = new List<CheckpointInfo>();
            foreach (var text in parsed.GetValue(ids)!) selected.Add(await repository.ResolveAsync(text, cancellation));
            var distinct = selected.DistinctBy(one => one.Id).ToList();
            var dry = parsed.GetValue(dryRun);
            if (!dry)
            {
                foreach (var one in distinct) await repository.ForgetAsync(one.Id, cancellation);
            }
            if (parsed.GetValue(CommonOptions.Json))
            {
                JsonOutput.Write(new ForgetResult([.. distinct.Select(ListedCheckpoint.From)], dry), JsonOutput.Types.ForgetResult);
                return;
            }
            foreach (var one in distinct) Console.Out.WriteLine($"{(dry ? "would forget" : "forgot")} {one.Id}{(one.Name is null ? "" : $" '{one.Name}'")}");
        });
        return command;
    }
}

/// <summary>What forget prints.</summary>
internal sealed record ForgetResult(IReadOnlyList<ListedCheckpoint> Forgotten, bool IsDryRun);
