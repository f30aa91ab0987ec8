using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Creates a repository.</summary>
internal static class InitCommand
{
    public static Command Create()
    {
        var command = new Verb("init", "Create a repository", "cutpoint init --repository /srv/checkpoints");
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await DirectoryRepository.InitAsync(RepositoryAccess.Location(parsed), TimeProvider.System, cancellation);
            var result = new InitResult(repository.Id.ToString(), repository.Directory);
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(result, JsonOutput.Types.InitResult);
            else Console.Out.WriteLine($"created repository {result.Directory}");
        });
        return command;
    }
}

/// <summary>What init prints.</summary>
/// <param name="Id">The repository's name for programs.</param>
/// <param name="Directory">Where it is.</param>
internal sealed record InitResult(string Id, string Directory);
