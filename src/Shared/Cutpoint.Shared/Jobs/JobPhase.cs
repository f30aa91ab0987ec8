using System.Text.Json.Serialization;

namespace Cutpoint.Jobs;

/// <summary>Where a checkpoint job stands.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<JobPhase>))]
public enum JobPhase
{
    /// <summary>Written down; nothing was done.</summary>
    Planned,

    /// <summary>The guests are looked at; nothing about them is changed.</summary>
    Preflight,

    /// <summary>Live passes; the guests run.</summary>
    Live,

    /// <summary>The guests are stopped, or about to be.</summary>
    Cutting,

    /// <summary>The cut is released; the guests start to run again.</summary>
    Thawed,

    /// <summary>The guests run; what is left is written.</summary>
    Draining,

    /// <summary>Everything is durable; the catalog is written.</summary>
    Committing,

    /// <summary>The checkpoint exists.</summary>
    Committed,

    /// <summary>The job has failed or was cancelled; the guests are put back.</summary>
    Aborting,

    /// <summary>There is no checkpoint, and every guest is as it was.</summary>
    Aborted,

    /// <summary>The node died; the job can be resumed from what is durable.</summary>
    Interrupted,
}
