namespace Cutpoint.Repository;

/// <summary>Where things are in the directory of a repository.</summary>
/// <param name="Root">The directory.</param>
/// <param name="IsSealed">True when the repository is encrypted.</param>
internal sealed record RepositoryPaths(string Root, bool IsSealed)
{
    public string File => Path.Combine(Root, RepositoryFile.Name);

    public string Catalog => Path.Combine(Root, IsSealed ? SealedCatalogFile.FileName : Repository.Catalog.FileName);

    public string Packs => Path.Combine(Root, "packs");

    /// <summary>One directory per running job.</summary>
    public string Jobs => Path.Combine(Root, "jobs");

    /// <summary>One empty file per checkpoint that was forgotten while a pack of its job is still needed.</summary>
    public string Forgotten => Path.Combine(Root, "forgotten");

    /// <summary>RAM files of restored guests.</summary>
    public string Run => Path.Combine(Root, "run");

    /// <summary>Held shared by everybody who has the repository open, alone by a repair.</summary>
    public string UseLock => Path.Combine(Root, "lock");

    /// <summary>Held alone by a collection of garbage.</summary>
    public string CollectionLock => Path.Combine(Root, "gc.lock");

    /// <summary>Held alone while the keys of an encrypted repository are changed.</summary>
    public string KeyLock => Path.Combine(Root, "key.lock");

    public void CreateAll()
    {
        foreach (var directory in (ReadOnlySpan<string>)[Packs, Jobs, Forgotten, Run])
        {
            if (!Directory.Exists(directory)) PosixFile.CreateDirectory(directory);
        }
    }
}
