namespace Cutpoint.Repository;

// The catalog as a whole: a new one in the place of one that is lost or damaged.
internal sealed partial class SqliteCatalog
{
    private static readonly string[] DatabaseSuffixes = ["", "-wal", "-shm", "-journal"];

    /// <summary>Puts a new catalog into the place of the old one, which is kept beside it for those who want to look.</summary>
    public static void Replace(RepositoryPaths paths, DataKey? key, IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits)
    {
        var fresh = paths.Catalog + ".new";
        try
        {
            DeleteDatabase(fresh);
            using (var catalog = new Catalog(Open(fresh, key, create: true))) catalog.Rebuild(packs, commits);
            DeleteDatabase(fresh, except: fresh);
            if (File.Exists(paths.Catalog))
            {
                // What its log still holds belongs to the damaged file, never to the new one.
                foreach (var suffix in DatabaseSuffixes)
                {
                    if (File.Exists(paths.Catalog + suffix))
                        File.Move(paths.Catalog + suffix, $"{paths.Catalog}.damaged{suffix}", overwrite: true);
                }
            }
            else
            {
                DeleteDatabase(paths.Catalog);
            }
            File.Move(fresh, paths.Catalog);
            PosixFile.FlushDirectory(paths.Root);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.Catalog, "replace");
        }
    }

    /// <summary>Puts a new catalog into the place of an encrypted one, or makes the first. It is the caller's turn.</summary>
    public static void Replace(SealedStore store, IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits)
    {
        SqliteLibrary.Load();
        using var memory = new SqliteCatalog(store.Name, InMemory(), null);
        memory._connection.Open();
        memory.Migrate(0);
        using (var catalog = new Catalog(memory))
        {
            catalog.Rebuild(packs, commits);
            store.Replace(SqliteImage.Write(memory._connection.Handle!));
        }
    }

    private static void DeleteDatabase(string path, string? except = null)
    {
        foreach (var suffix in DatabaseSuffixes)
        {
            if (path + suffix != except) File.Delete(path + suffix);
        }
    }
}
