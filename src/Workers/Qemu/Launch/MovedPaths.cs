namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// Gives every socket QEMU listens on and every file it writes messages to a place of its own. The old places may belong to the living
/// original: QEMU unlinks a socket that is there and truncates a file that is there.
/// </summary>
internal sealed class MovedPaths(string directory, string? oldDirectory, IReadOnlyDictionary<string, string> wishes, IReadOnlyDictionary<string, string> peers)
{
    private readonly Dictionary<string, string> _moved = [];
    private readonly HashSet<string> _taken = [];
    private readonly HashSet<string> _followed = [];

    internal IReadOnlyDictionary<string, string> All => _moved;

    internal IReadOnlyCollection<string> Followed => _followed;

    /// <summary>The place of a socket somebody else listens on: where a guest of the same restore has it now, or where it was.</summary>
    internal string Follow(string old)
    {
        var full = Full(old);
        _followed.Add(full);
        return peers.GetValueOrDefault(full, old);
    }

    internal string Reserve(string name)
    {
        var path = Path.Combine(directory, name);
        _taken.Add(path);
        return path;
    }

    internal string Move(string old)
    {
        var full = Full(old);
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

    private string Full(string old) => oldDirectory is null ? old : Path.GetFullPath(old, oldDirectory);
}
