using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>Reading of answers.</summary>
internal static class QmpJson
{
    /// <summary>A text member of an object, or null.</summary>
    internal static string? Text(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    /// <summary>A member of an object that is a whole number, or null.</summary>
    internal static long? Number(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out var number) ? number : null;
}
