using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>Reading of answers.</summary>
internal static class QmpJson
{
    /// <summary>A text member of an object, or null.</summary>
    internal static string? Text(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;
}
