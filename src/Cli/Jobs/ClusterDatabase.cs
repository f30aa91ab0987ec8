using System.CommandLine;
using Cutpoint.Coordinator.Cluster;
using Cutpoint.Durability;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// The database with the registry of nodes: the one that is named, else the repository's where that is in PostgreSQL, else none, and nodes are found by the names
/// of their hosts.
/// </summary>
internal sealed class ClusterDatabase : IAsyncDisposable
{
    private readonly Database? _own;

    private ClusterDatabase(Database? own, Database? used)
    {
        _own = own;
        Registry = used is null ? null : new NodeRegistry(used);
        Directory = new NodeDirectory(Registry);
    }

    /// <summary>The registry, or null where there is none.</summary>
    public NodeRegistry? Registry { get; }

    /// <summary>Finds nodes.</summary>
    public NodeDirectory Directory { get; }

    /// <summary>The connection of the registry's database, or null where there is none.</summary>
    public static string? ConnectionOf(ParseResult parsed) => parsed.GetValue(CommonOptions.Database) ?? parsed.GetValue(CommonOptions.Repository)?.Database?.ConnectionString;

    /// <summary>Opens it.</summary>
    /// <param name="parsed">Names it.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="jobs">Where the repository's journals are, for use where that is the registry's database too; not owned.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the call.</param>
    public static async Task<ClusterDatabase> OpenAsync(
        ParseResult parsed, DirectoryRepository repository, Database jobs, TimeProvider time, CancellationToken cancellation)
    {
        if (parsed.GetValue(CommonOptions.Database) is not { } named || named == repository.DatabaseConnectionString) return new ClusterDatabase(null, repository.DatabaseConnectionString is null ? null : jobs);
        var database = await PostgresDatabase.OpenAsync(named, time, cancellation);
        return new ClusterDatabase(database, database);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _own?.DisposeAsync() ?? default;
}
