using System.Text.Json;

namespace Cutpoint.Cli.Settings;

/// <summary>
/// The user's configuration file: JSON with the names of options, those of a verb in an object of its name, such as
/// <c>{ "repository": "/srv/checkpoints", "take": { "codec": "zstd:3", "label": ["site=a"] } }</c>. Comments and trailing commas are taken.
/// </summary>
internal static class ConfigurationFile
{
    private static readonly Lazy<JsonElement?> Content = new(Load);

    /// <summary>CUTPOINT_CONFIG, else config.json in the user's directory for configuration.</summary>
    public static string Location { get; } = Environment.GetEnvironmentVariable("CUTPOINT_CONFIG") is { Length: > 0 } path
        ? path
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "cutpoint", "config.json");

    /// <summary>The values of an option, none when the file does not set it.</summary>
    public static IReadOnlyList<string> Find(string? verb, string name)
    {
        if (Content.Value is not { } at) return [];
        if (verb is not null && !at.TryGetProperty(verb, out at)) return [];
        if (at.ValueKind != JsonValueKind.Object) throw Wrong($"'{verb}' is not an object of options");
        if (!at.TryGetProperty(name, out var value)) return [];
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(Text)] : [Text(value)];
    }

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => throw Wrong($"'{value.GetRawText()}' is not a value"),
    };

    private static JsonElement? Load()
    {
        if (!File.Exists(Location)) return null;
        try
        {
            using var document = JsonDocument.Parse(
                File.ReadAllText(Location), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : throw Wrong("it holds no JSON object");
        }
        catch (JsonException exception)
        {
            throw Wrong(exception.Message);
        }
    }

    private static SnapshotException Wrong(string reason) =>
        new(ErrorCode.Usage, $"configuration file {Location}: {reason}", "mend the file, or name another one in CUTPOINT_CONFIG") { IsPreflight = true };
}
