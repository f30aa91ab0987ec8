namespace Cutpoint.Repository;

public sealed partial class DirectoryRepository
{
    /// <summary>What the key is called that a repository is created with.</summary>
    public const string FirstKeyName = "first";

    /// <summary>The keys of an encrypted repository; none when it is not encrypted. Needs none of them.</summary>
    /// <exception cref="SnapshotException">There is no repository (<see cref="ErrorCode.NotFound"/>).</exception>
    public static IReadOnlyList<(string Name, KeyKind Kind)> ListKeys(RepositoryLocation location)
    {
        ArgumentNullException.ThrowIfNull(location);
        return [.. RepositoryFile.Read(location.Directory).Keys.Select(slot => (slot.Name, slot.Kind))];
    }

    /// <summary>
    /// What encrypts the journal of an encrypted repository, for those who write to the journal alone and have no use for the packs; of these, the file <c>repository</c> is needed. Null where
    /// no key is given, and nothing says that one is needed.
    /// </summary>
    /// <exception cref="SnapshotException">The key is wrong or missing (<see cref="ErrorCode.NotAuthorised"/>), or cannot be told from a wrong one here (<see cref="ErrorCode.NotFound"/>).</exception>
    public static TextCipher? OpenTextCipher(RepositoryLocation location)
    {
        ArgumentNullException.ThrowIfNull(location);
        if (!File.Exists(new RepositoryPaths(location.Directory, IsSealed: true).File))
        {
            return location.Key is null ? null : throw new SnapshotException(
                ErrorCode.NotFound, $"a key was given, but the file 'repository' that it opens is not in {location.Directory}", "mount the packs, or put a copy of that file there")
            { IsPreflight = true };
        }
        var file = RepositoryFile.Read(location.Directory);
        file.CheckKind(location);
        return file.Unlock(location) is { } key ? CreateTextCipher(key) : null;
    }

    private static TextCipher CreateTextCipher(DataKey key) => new(key.Derive("texts"));

    /// <summary>Lets another secret open an encrypted repository. Nothing is encrypted again.</summary>
    /// <param name="location">The repository, with a key that opens it.</param>
    /// <param name="name">What the new key is called.</param>
    /// <param name="key">The new key.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="SnapshotException">The repository does not open, is not encrypted, or has a key of that name.</exception>
    public static void AddKey(RepositoryLocation location, string name, RepositoryKey key, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(key);
        ChangeKeys(location, time, (file, dataKey, _) => file.Keys.Any(slot => slot.Name == name)
            ? throw new SnapshotException(ErrorCode.Usage, $"there is a key '{name}' already", "give another name") { IsPreflight = true }
            : [.. file.Keys, KeySlot.Create(file.RepositoryId, name, key, dataKey)]);
    }

    /// <summary>Lets a secret no longer open an encrypted repository. Whoever has copied its file or its data key before can read it still.</summary>
    /// <param name="location">The repository, with a key that opens it.</param>
    /// <param name="name">What the key is called.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="SnapshotException">The repository does not open, is not encrypted, or would have no key left.</exception>
    public static void RemoveKey(RepositoryLocation location, string name, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(name);
        ChangeKeys(location, time, (file, _, _) =>
        {
            List<KeySlot> left = [.. file.Keys.Where(slot => slot.Name != name)];
            if (left.Count == file.Keys.Count)
                throw new SnapshotException(ErrorCode.Usage, $"there is no key '{name}'", "look at 'cutpoint key ls'") { IsPreflight = true };
            return left.Count > 0
                ? left
                : throw new SnapshotException(ErrorCode.Usage, $"'{name}' is the last key: without it nobody could read the repository", "add another one first") { IsPreflight = true };
        });
    }

    /// <summary>
    /// Puts another secret into the place of the one that opens an encrypted repository, under its name: at every moment one of the two opens it. Nothing is encrypted again, so whoever
    /// has copied its file or its data key before can read it still.
    /// </summary>
    /// <param name="location">The repository, with the key that is replaced.</param>
    /// <param name="key">The new key.</param>
    /// <param name="time">The clock.</param>
    /// <returns>What the key is called.</returns>
    /// <exception cref="SnapshotException">The repository does not open, is not encrypted, or the new key is the old one.</exception>
    public static string RotateKey(RepositoryLocation location, RepositoryKey key, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(key);
        var name = "";
        ChangeKeys(location, time, (file, dataKey, secret) =>
        {
            // The secret may have been added under several names; none of them is to open the repository any more.
            List<KeySlot> old = [.. file.Keys.Where(slot => slot.Kind == location.Key!.Kind && slot.Open(file.RepositoryId, secret) is not null)];
            name = old[0].Name;
            var fresh = KeySlot.Create(file.RepositoryId, name, key, dataKey);
            return fresh.Kind == old[0].Kind && fresh.Open(file.RepositoryId, secret) is not null
                ? throw new SnapshotException(ErrorCode.Usage, $"{key.Name} is the key '{name}' already", "give a new one") { IsPreflight = true }
                : [.. file.Keys.Where(slot => slot == old[0] || !old.Contains(slot)).Select(slot => slot == old[0] ? fresh : slot)];
        });
        return name;
    }

    private static void ChangeKeys(RepositoryLocation location, TimeProvider time, Func<RepositoryFile, DataKey, byte[], IReadOnlyList<KeySlot>> change)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        var paths = new RepositoryPaths(location.Directory, IsSealed: true);
        var before = RepositoryFile.Read(location.Directory);
        before.CheckKind(location);
        if (!before.IsSealed)
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"the repository {location} is not encrypted, and that cannot be changed", "create another one with 'cutpoint init --encrypt'") { IsPreflight = true };
        }
        using var alone = location.Database is { } database
            ? LockKeys(database, before, time) : (IDisposable)RepositoryLock.Take(paths.KeyLock, "key", "keys are being changed", time);
        var file = RepositoryFile.Read(location.Directory);
        var dataKey = file.Unlock(location, out var secret)!;
        try
        {
            PosixFile.WriteAtomically(paths.File, file.With(change(file, dataKey, secret)).Write(dataKey));
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.File, "write");
        }
    }

    /// <summary>Where other hosts change keys too.</summary>
    private static PostgresCatalog LockKeys(RepositoryDatabase database, RepositoryFile file, TimeProvider time)
    {
        var catalog = PostgresCatalog.Open(database, file.RepositoryId, isSealed: true, time);
        try
        {
            catalog.TakeKeys();
            return catalog;
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }
}
