using System.Text.Json.Serialization;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>Where one guest of a job stands, as far as the coordinator has been told.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<GuestStage>))]
public enum GuestStage
{
    /// <summary>Nothing was asked of its worker.</summary>
    Planned,

    /// <summary>Its preflight is under way.</summary>
    Opening,

    /// <summary>It runs (or is paused as it was), and nothing is under way.</summary>
    Ready,

    /// <summary>A live pass is under way.</summary>
    Passing,

    /// <summary>Its first pass is over; small passes keep its rest small until the others of the group are so far.</summary>
    Aligning,

    /// <summary>It runs while everything is made ready for its stop.</summary>
    Preparing,

    /// <summary>Nothing stands between it and its stop.</summary>
    Prepared,

    /// <summary>It was told to stop.</summary>
    Stopping,

    /// <summary>It is stopped and secured.</summary>
    Held,

    /// <summary>It was told to thaw.</summary>
    Releasing,

    /// <summary>Its stop has ended.</summary>
    Thawed,

    /// <summary>The rest of it is being written.</summary>
    Draining,

    /// <summary>All of it is durable.</summary>
    Drained,

    /// <summary>It is being put back.</summary>
    Closing,

    /// <summary>It is put back.</summary>
    Closed,
}
