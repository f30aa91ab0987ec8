using Cutpoint.Durability;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>The journal of the jobs of a directory repository, beside its catalog: a catalog can be rebuilt from the packs, what jobs did cannot.</summary>
internal static class JobDatabase
{
    /// <summary>Name of the file in the repository.</summary>
    public const string FileName = "journal.db";

    /// <summary>Opens it, or makes it.</summary>
    public static Task<SqliteDatabase> OpenAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation) =>
        // A power cut ends the guests of the job with it, and packs are flushed by themselves: events need survive processes only.
        SqliteDatabase.OpenAsync(Path.Combine(repository.Directory, FileName), survivesPowerCut: false, time, cancellation, repository.TextCipher);

    /// <summary>Opens it to look; null when no job was ever run or nothing can be written here.</summary>
    public static async Task<SqliteDatabase?> TryOpenAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation) =>
        repository.IsReadOnly || !File.Exists(Path.Combine(repository.Directory, FileName)) ? null : await OpenAsync(repository, time, cancellation);
}
