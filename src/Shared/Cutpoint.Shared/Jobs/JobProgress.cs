namespace Cutpoint.Jobs;

/// <summary>A moment of a job, for people who watch it. Frequent; losing one loses nothing.</summary>
public sealed record JobProgress
{
    /// <summary>The job.</summary>
    public required string JobId { get; init; }

    /// <summary>Where the job stands.</summary>
    public required JobPhase Phase { get; init; }

    /// <summary>The guest the numbers are of, or null for the job as a whole.</summary>
    public string? Guest { get; init; }

    /// <summary>The pass under way.</summary>
    public uint Pass { get; init; }

    /// <summary>Octets of guest memory of this pass that were looked at.</summary>
    public long BytesDone { get; init; }

    /// <summary>Octets of guest memory this pass has to look at.</summary>
    public long BytesTotal { get; init; }

    /// <summary>Octets appended to the repository so far, after compression.</summary>
    public long BytesStored { get; init; }

    /// <summary>Octets of guest pages per second the sink takes, over a recent window.</summary>
    public double SinkBytesPerSecond { get; init; }

    /// <summary>Octets per second the guest dirties, when known.</summary>
    public double? DirtyBytesPerSecond { get; init; }

    /// <summary>The pause predicted by the last vote.</summary>
    public TimeSpan? PredictedPause { get; init; }

    /// <summary>The pass that has just ended, when one has.</summary>
    public PassReport? LastPass { get; init; }

    /// <summary>The cut, once it is over.</summary>
    public CutReport? Cut { get; init; }

    /// <summary>Anything worth a line: the transport chosen and why, a cut that is tried again.</summary>
    public string? Note { get; init; }
}
