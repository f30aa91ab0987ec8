using Cutpoint.Durability;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// Where the journals of a repository's jobs are: in its database in PostgreSQL, or in a file beside its catalog. Not in the catalog, which can be rebuilt from the
/// packs; what jobs did cannot.
/// </summary>
internal static class JobDatabase
{
    /// <summary>Name of the file in a repository that is a directory.</summary>
    public const string FileName = "journal.db";

    /// <summary>Opens it, or makes it.</summary>
    public static async Task<Database> OpenAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation)
    {
        repository.ThrowIfReadOnly();
        return repository.DatabaseConnectionString is { } database
            ? await PostgresDatabase.OpenAsync(database, time, cancellation, repository.TextCipher)
            // A power cut ends the guests of the job with it, and packs are flushed by themselves: events need survive processes only.
            : await SqliteDatabase.OpenAsync(Path.Combine(repository.Directory, FileName), survivesPowerCut: false, time, cancellation, repository.TextCipher);
    }

    /// <summary>Opens it to look; null when no job was ever run or nothing can be written here.</summary>
    public static async Task<Database?> TryOpenAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation) =>
        repository.IsReadOnly || (repository.DatabaseConnectionString is null && !File.Exists(Path.Combine(repository.Directory, FileName)))
            ? null : await OpenAsync(repository, time, cancellation);
}
