using Cutpoint.Repository;

namespace Cutpoint.Cli.Settings;

/// <summary>A database, named as a repository in it is; whose packs a repository has is of no matter then, and need not be said.</summary>
internal static class DatabaseUrl
{
    /// <summary>The connection string of Npgsql.</summary>
    /// <exception cref="SnapshotException">It is no database (<see cref="ErrorCode.Usage"/>).</exception>
    public static string Parse(string text) =>
        RepositoryLocation.Parse($"{text}{(text.Contains('?', StringComparison.Ordinal) ? '&' : '?')}packs=/").Database?.ConnectionString
        ?? throw new SnapshotException(ErrorCode.Usage, "this is not a database", "give postgres://[USER@]HOST[:PORT]/DATABASE") { IsPreflight = true };
}
