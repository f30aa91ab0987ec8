using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>How a capture by the direct transport finds out which pages the guest has changed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DirtyTracking>))]
public enum DirtyTracking
{
    /// <summary>The driver chooses: write protection where the kernel and the guest allow it, page hashes elsewhere.</summary>
    Auto,

    /// <summary>Every page is looked at in every pass, also in the pause. Needs no privilege, and nothing is hidden from it.</summary>
    Hashes,
}
