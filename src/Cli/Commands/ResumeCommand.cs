using System.CommandLine;
using Cutpoint.Cli.Jobs;

namespace Cutpoint.Cli.Commands;

/// <summary>Goes on with a job whose process died.</summary>
internal static class ResumeCommand
{
    public static Command Create()
    {
        var id = new Argument<string>("ID") { Description = "Id of the job or its beginning; 'list' shows it" };
        var command = new Verb(
            "resume", "Go on with a checkpoint that was interrupted: only pages that differ from what is stored are stored again",
            "cutpoint list\ncutpoint resume 01M7Z7T4T6PEQ3EQHC0YDK27FX") { id, CommonOptions.SecretFile };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            var job = await JobSelection.ResolveAsync(repository, parsed.GetValue(id)!, cancellation);
            return await TakeCommand.RunAsync(parsed, repository, (take, ending) => take.ResumeAsync(job, cancellation, ending), cancellation);
        });
        return command;
    }
}
