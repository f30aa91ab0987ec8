using System.CommandLine;
using Cutpoint.Cli.Output;

namespace Cutpoint.Cli.Commands;

/// <summary>Explains one checkpoint: what it holds, and how it came about.</summary>
internal static class ShowCommand
{
    public static Command Create()
    {
        var id = CommonOptions.Checkpoint();
        var command = new Verb(
            "show", "Show a checkpoint: passes, votes with their numbers, predicted and measured pause, units", "cutpoint show latest\ncutpoint show before-upgrade") { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            await using var checkpoint = await repository.OpenCheckpointAsync(await repository.ResolveAsync(parsed.GetValue(id)!, cancellation), cancellation);
            var shown = ShownCheckpoint.From(checkpoint);
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(shown, JsonOutput.Types.ShownCheckpoint);
            else CheckpointText.Write(shown, Console.Out);
        });
        return command;
    }
}
