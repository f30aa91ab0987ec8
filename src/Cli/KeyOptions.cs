using System.CommandLine;
using Cutpoint.Repository;

namespace Cutpoint.Cli;

/// <summary>The key somebody gives in one of three ways.</summary>
internal static class KeyOptions
{
    /// <summary>The key, or null when none was given. What is on the command line counts before what the environment and the configuration file have.</summary>
    /// <exception cref="SnapshotException">There is more than one (<see cref="ErrorCode.Usage"/>).</exception>
    public static RepositoryKey? Read(
        ParseResult command, Option<string?> file, Option<string?> passphraseFile, Option<string?> keyCommand, Func<string, RepositoryKey>? fromFile = null)
    {
        (Option<string?> Option, Func<string, RepositoryKey> Create)[] all =
        [
            (file, fromFile ?? RepositoryKey.FromFile), (passphraseFile, RepositoryKey.FromPassphraseFile), (keyCommand, RepositoryKey.FromCommand),
        ];
        var given = all.Where(one => command.GetResult(one.Option) is { Implicit: false }).ToList();
        if (given.Count == 0) given = [.. all.Where(one => command.GetValue(one.Option) is { Length: > 0 })];
        return given.Count switch
        {
            0 => null,
            1 => given[0].Create(command.GetValue(given[0].Option)!),
            _ => throw new SnapshotException(
                ErrorCode.Usage, $"a key is given in {given.Count} ways: {string.Join(", ", given.Select(one => one.Option.Name))}", "give it in one") { IsPreflight = true },
        };
    }
}
