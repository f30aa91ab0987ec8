using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>What a monitor says of itself to a new client.</summary>
/// <param name="Version">QEMU's version.</param>
/// <param name="Package">The packager's suffix, possibly empty.</param>
public sealed record QmpGreeting(Version Version, string Package)
{
    /// <summary>Reads a greeting line; null when it is none.</summary>
    internal static QmpGreeting? TryParse(JsonElement line)
    {
        if (line.ValueKind != JsonValueKind.Object || !line.TryGetProperty("QMP", out var qmp) || qmp.ValueKind != JsonValueKind.Object
            || !qmp.TryGetProperty("version", out var version) || version.ValueKind != JsonValueKind.Object
            || !version.TryGetProperty("qemu", out var qemu) || qemu.ValueKind != JsonValueKind.Object)
        {
            return null;
        }
        var package = version.TryGetProperty("package", out var text) && text.ValueKind == JsonValueKind.String ? text.GetString()! : "";
        return new QmpGreeting(new Version(Part(qemu, "major"), Part(qemu, "minor"), Part(qemu, "micro")), package);
    }

    private static int Part(JsonElement qemu, string name) =>
        qemu.Number(name) is >= 0 and <= int.MaxValue and var part ? (int)part : 0;
}
