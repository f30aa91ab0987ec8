using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>One event of a monitor.</summary>
/// <param name="Name">Such as "STOP" or "MIGRATION".</param>
/// <param name="Timestamp">
/// QEMU's own clock (the host's wall clock, to the microsecond) when it raised the event. A pause is the distance of two of these.
/// </param>
/// <param name="Data">The event's data; undefined when there is none.</param>
public readonly record struct QmpEvent(string Name, DateTimeOffset Timestamp, JsonElement Data)
{
    /// <summary>A text member of the data, or null.</summary>
    public string? Text(string member) => Data.Text(member);
}
