using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>How the RAM of one instant is had from a guest that runs.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CaptureStrategy>))]
public enum CaptureStrategy
{
    /// <summary>The driver chooses what is right for this guest and transport, and says why.</summary>
    Auto,

    /// <summary>Passes while the guest runs, then a short stop for the rest.</summary>
    Precopy,

    /// <summary>A stop of milliseconds, then the machine copies what the guest overwrites until all is read.</summary>
    Background,

    /// <summary>The guest is stopped while everything is read.</summary>
    Stop,
}
