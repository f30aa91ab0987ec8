namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// Gives every socket QEMU listens on and every file it writes messages to a place of its own. The old places may belong to the living
/// original: QEMU unlinks a socket that is there and truncates a file that is there.
/// </summary>
internal sealed class MovedPaths(string directory, string? oldDirectory, IReadOnlyDictionary<string, string> wishes)
{
    private readonly Dictionary<string, string> _moved = [];
    private readonly HashSet<string> _taken = [];

    internal IReadOnlyDictionary<string, string> All => _moved;

    internal string Reserve(string name)
    {
        var path = Path.Combine(directory, name);
        _taken.Add(path);
        return path;
    }

    internal string Move(string old)
    {
        var full = oldDirectory is null ? old : Path.GetFullPath(old, oldDirectory);
        if (_moved.TryGetValue(full, out var known)) return known;
        if (!wishes.TryGetValue(full, out var path) && !wishes.TryGetValue(old, out path))
        {
            var name = Path.GetFileName(full);
            path = Path.Combine(directory, name);
            for (var n = 2; !_taken.Add(path); n++) path = Path.Combine(directory, $"{name}-{n}");
        }
        _moved[full] = path;
        return path;
    }
}
