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
        ChangeKeys(location, time, (file, dataKey) => file.Keys.Any(slot => slot.Name == name)
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
        ChangeKeys(location, time, (file, _) =>
        {
            List<KeySlot> left = [.. file.Keys.Where(slot => slot.Name != name)];
            if (left.Count == file.Keys.Count)
                throw new SnapshotException(ErrorCode.Usage, $"there is no key '{name}'", "look at 'cutpoint key ls'") { IsPreflight = true };
            return left.Count > 0
                ? left
                : throw new SnapshotException(ErrorCode.Usage, $"'{name}' is the last key: without it nobody could read the repository", "add another one first") { IsPreflight = true };
        });
    }

    private static void ChangeKeys(RepositoryLocation location, TimeProvider time, Func<RepositoryFile, DataKey, IReadOnlyList<KeySlot>> change)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(time);
        var paths = new RepositoryPaths(location.Directory, IsSealed: true);
        if (!RepositoryFile.Read(location.Directory).IsSealed)
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"the repository {location} is not encrypted, and that cannot be changed", "create another one with 'cutpoint init --encrypt'") { IsPreflight = true };
        }
        using var alone = RepositoryLock.Take(paths.KeyLock, "key", "keys are being changed", time);
        var file = RepositoryFile.Read(location.Directory);
        var dataKey = file.Unlock(location)!;
        try
        {
            PosixFile.WriteAtomically(paths.File, file.With(change(file, dataKey)).Write(dataKey));
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, paths.File, "write");
        }
    }
}
