using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>What the user asks of the capture of one guest. The defaults suit a guest that serves somebody.</summary>
public sealed record CaptureOptions
{
    /// <summary>The pause aimed at when the user names none.</summary>
    public static readonly TimeSpan DefaultDowntime = TimeSpan.FromMilliseconds(300);

    /// <summary>The transport; <see cref="CaptureTransport.Auto"/> lets the driver choose.</summary>
    public CaptureTransport Transport { get; init; }

    /// <summary>The strategy; <see cref="CaptureStrategy.Auto"/> lets the driver choose.</summary>
    public CaptureStrategy Strategy { get; init; }

    /// <summary>How changed pages are found where RAM is read in place.</summary>
    public DirtyTracking Tracking { get; init; }

    /// <summary>
    /// The pause the user allows. A number is a promise: when no transport can keep it the preflight fails, and when the passes do not reach it the job
    /// gives up. Null aims at <see cref="DefaultDowntime"/> and cuts anyway when more passes no longer help.
    /// </summary>
    public TimeSpan? Downtime { get; init; }

    /// <summary>Live passes before the cut is made or given up, at least 1.</summary>
    public uint MaxPasses { get; init; } = 30;

    /// <summary>The longest a guest may stay stopped whatever happens; it is thawed then and the cut is void.</summary>
    public TimeSpan FreezeLimit { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>What becomes of the guest after the cut.</summary>
    public AfterCut After { get; init; }

    /// <summary>
    /// True leaves the guest's disks alone: the checkpoint says which there are, and nothing keeps what they held. Else every writable one is frozen at the
    /// cut, and a guest with one that cannot be is refused.
    /// </summary>
    public bool NoDisks { get; init; }

    /// <summary>
    /// What the repository is called that the checkpoint goes to, and the checkpoint's id there: noted beside what a capture leaves on the guest's host for as long as the
    /// checkpoint is kept. Set by the job; empty when there is none.
    /// </summary>
    public string Repository { get; init; } = "";

    /// <inheritdoc cref="Repository"/>
    public string Checkpoint { get; init; } = "";

    /// <summary>Memory the job may reserve for guest pages: chunks in flight and the cut buffers of all its guests together. Octets.</summary>
    public long Budget { get; init; } = 160L << 20;

    /// <summary>
    /// Guests of the job that are captured side by side: they share the processors and the budget, and with more than one the guest is held in its cut
    /// until all of them stand still. Set by the coordinator.
    /// </summary>
    public int GroupSize { get; init; } = 1;

    /// <summary>True when the guest is one of several at one cut.</summary>
    [JsonIgnore]
    public bool IsInGroup => GroupSize > 1;

    /// <summary>
    /// Directory for scratch files: page hashes (16 octets a page, sparse) and the like. They have no name while in use, so nothing is left behind.
    /// Null is the system's directory for temporary files.
    /// </summary>
    public string? ScratchDirectory { get; init; }

    /// <summary>The pause aimed at.</summary>
    [JsonIgnore]
    public TimeSpan DowntimeGoal => Downtime ?? DefaultDowntime;
}
