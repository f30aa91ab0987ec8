using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>What a line of a monitor in command mode says. A line may be neither an event nor an answer to anybody here: it is passed over.</summary>
/// <param name="Event">The event, or null.</param>
/// <param name="Id">The command the line answers, or null.</param>
/// <param name="Return">The answer, or null when the command was refused.</param>
/// <param name="ErrorClass">QEMU's error class.</param>
/// <param name="ErrorText">QEMU's error text.</param>
internal readonly record struct QmpMessage(QmpEvent? Event, long? Id, JsonElement? Return, string ErrorClass, string ErrorText)
{
    // The last second of the year 9999: what the type of a timestamp holds.
    private const long EndOfTime = 253402300800;

    /// <summary>Reads a line, whatever it is.</summary>
    internal static QmpMessage Parse(JsonElement line)
    {
        if (line.Text("event") is { } name)
            return new QmpMessage(new QmpEvent(name, Timestamp(line), line.TryGetProperty("data", out var data) ? data : default), null, null, "", "");
        if (line.Number("id") is not { } id) return default;
        if (line.TryGetProperty("return", out var value)) return new QmpMessage(null, id, value, "", "");
        var error = line.TryGetProperty("error", out var member) ? member : default;
        return new QmpMessage(null, id, null, error.Text("class") ?? "GenericError", error.Text("desc") ?? "no reason given");
    }

    private static DateTimeOffset Timestamp(JsonElement line)
    {
        if (!line.TryGetProperty("timestamp", out var stamp)) return default;
        // QEMU writes -1 when its clock failed; a year beyond the type's range is as useless.
        return stamp.Number("seconds") is >= 0 and < EndOfTime and var seconds && (stamp.Number("microseconds") ?? 0) is >= 0 and < 1000000 and var microseconds
            ? DateTimeOffset.UnixEpoch.AddSeconds(seconds).AddMicroseconds(microseconds) : default;
    }
}
