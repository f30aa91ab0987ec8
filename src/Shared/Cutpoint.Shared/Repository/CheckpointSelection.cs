namespace Cutpoint.Repository;

/// <summary>Finds the checkpoint a user means.</summary>
internal static class CheckpointSelection
{
    private const string Latest = "latest";
    private const int ListedMatches = 5;

    public static CheckpointInfo Resolve(IReadOnlyList<CheckpointInfo> all, string text, string repository)
    {
        if (all.Count == 0) throw NotFound($"the repository {repository} has no checkpoint", "take one with 'cutpoint take'");
        if (text == Latest) return all[^1];
        // An id counts before a name, and a whole id before those it begins.
        if (Ulid.TryParse(text, out var id) && all.FirstOrDefault(one => one.Id == id) is { } exact) return exact;
        var named = all.Where(one => one.Name == text).ToList();
        if (named.Count > 0) return Single(named, $"the name '{text}'");
        var begun = text.Length == 0
            ? []
            : all.Where(one => one.Id.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase)).ToList();
        return begun.Count > 0 ? Single(begun, $"'{text}'") : throw NotFound($"no checkpoint is called '{text}'", "see 'cutpoint list'");
    }

    private static CheckpointInfo Single(List<CheckpointInfo> matches, string what)
    {
        if (matches.Count == 1) return matches[0];
        var ids = string.Join(", ", matches.Take(ListedMatches).Select(match => match.Id)) + (matches.Count > ListedMatches ? ", …" : "");
        throw new SnapshotException(
            ErrorCode.Usage, $"{what} fits {matches.Count} checkpoints: {ids}", "give more of the id") { IsPreflight = true };
    }

    private static SnapshotException NotFound(string message, string advice) =>
        new(ErrorCode.NotFound, message, advice) { IsPreflight = true };
}
