using System.CommandLine;
using Cutpoint.Cli.Jobs;

namespace Cutpoint.Cli.Commands;

/// <summary>Goes on with a job whose process died.</summary>
internal static class ResumeCommand
{
    public static Command Create()
    {
        var command = JobVerb.Create(
            "resume", "Go on with a checkpoint that was interrupted: only pages that differ from what is stored are stored again",
            "cutpoint list\ncutpoint resume 01M7Z7T4T6PEQ3EQHC0YDK27FX",
            async (parsed, repository, job, cancellation) =>
            {
                await using var database = await JobDatabase.OpenAsync(repository, TimeProvider.System, cancellation);
                return await TakeCommand.RunAsync(parsed, repository, database, (take, ending) => take.ResumeAsync(job, cancellation, ending), cancellation);
            });
        command.Add(CommonOptions.SecretFile);
        command.Add(CommonOptions.Database);
        return command;
    }
}
