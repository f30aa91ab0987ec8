using System.CommandLine;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>Makes the commands about one job that was begun: each takes its id, and acts with its repository open.</summary>
internal static class JobVerb
{
    /// <summary>Makes one.</summary>
    /// <param name="name">The verb.</param>
    /// <param name="description">What it does, for the help.</param>
    /// <param name="examples">Lines to try.</param>
    /// <param name="act">Acts on the job; its result is the exit code.</param>
    public static Verb Create(
        string name, string description, string examples, Func<ParseResult, DirectoryRepository, Ulid, CancellationToken, Task<int>> act)
    {
        var id = new Argument<string>("ID") { Description = "Id of the job or its beginning; 'list' shows it" };
        var command = new Verb(name, description, examples) { id };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            return await act(parsed, repository, await JobSelection.ResolveAsync(repository, parsed.GetValue(id)!, cancellation), cancellation);
        });
        return command;
    }
}
