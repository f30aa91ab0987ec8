using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>The packs of a repository, opened when first read. Keeps at most so many open that no limit of a process is near. Safe for
/// concurrent use.</summary>
/// <param name="directory">Where they are.</param>
/// <param name="protection">What opens those of an encrypted repository; null in one that is not.</param>
internal sealed class PackFiles(string directory, PackProtection? protection) : IDisposable
{
    private const int MaxOpen = 256;

    private readonly Lock _gate = new();
    private readonly Dictionary<PackId, PackFile> _open = [];

    public string Directory => directory;

    /// <summary>Runs a read of a pack, and says which pack it was when it is damaged.</summary>
    public T Read<T>(PackId id, Func<PackFile, T> read)
    {
        var file = Rent(id, out var isKept);
        try
        {
            return read(file);
        }
        catch (MalformedInputException error)
        {
            throw StorageError.InPack(error, id);
        }
        finally
        {
            if (!isKept) file.Dispose();
        }
    }

    /// <summary>A pack, and whether it stays open by itself; if not, the caller disposes it.</summary>
    public PackFile Rent(PackId id, out bool isKept)
    {
        lock (_gate)
        {
            isKept = true;
            if (_open.TryGetValue(id, out var file)) return file;
            file = PackFile.Open(directory, id, protection);
            isKept = _open.Count < MaxOpen && _open.TryAdd(id, file);
            return file;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var file in _open.Values) file.Dispose();
            _open.Clear();
        }
    }
}
