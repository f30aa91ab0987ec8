using System.CommandLine;
using Cutpoint.Repository;

namespace Cutpoint.Cli;

/// <summary>Opens the repository the command line names.</summary>
internal static class RepositoryAccess
{
    /// <summary>Opens it; it must be there.</summary>
    public static ValueTask<DirectoryRepository> OpenAsync(ParseResult command, CancellationToken cancellation) =>
        DirectoryRepository.OpenAsync(Location(command), TimeProvider.System, cancellation);

    /// <summary>Opens it. The default one is created by the first checkpoint; one that was named must be there, since its name may be misspelt.</summary>
    public static ValueTask<DirectoryRepository> OpenOrCreateDefaultAsync(ParseResult command, CancellationToken cancellation)
    {
        var location = Location(command);
        // Whether it is to be encrypted is chosen once, by 'init'.
        return location.Key is null && location.Directory == CommonOptions.DefaultRepository && !Directory.Exists(location.Directory)
            ? DirectoryRepository.InitAsync(location, TimeProvider.System, cancellation)
            : DirectoryRepository.OpenAsync(location, TimeProvider.System, cancellation);
    }

    /// <summary>Where it is, and the key that was given.</summary>
    public static RepositoryLocation Location(ParseResult command) =>
        command.GetValue(CommonOptions.Repository)! with { Key = KeyOptions.Read(command, CommonOptions.KeyFile, CommonOptions.PassphraseFile, CommonOptions.KeyCommand) };
}
