using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>How a guest's RAM comes to the worker.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CaptureTransport>))]
public enum CaptureTransport
{
    /// <summary>The driver chooses the fastest transport that is right for this guest, and says why.</summary>
    Auto,

    /// <summary>RAM is read in place, from memory the guest shares with the worker.</summary>
    Direct,

    /// <summary>RAM comes in the machine's own migration stream.</summary>
    Stream,
}
