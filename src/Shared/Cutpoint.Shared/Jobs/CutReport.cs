namespace Cutpoint.Jobs;

/// <summary>How the cut of one guest went. Stored with the checkpoint.</summary>
public sealed record CutReport
{
    /// <summary>Which attempt of the job's cut, from 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>From here on the guest executed nothing.</summary>
    public DateTimeOffset StoppedAt { get; init; }

    /// <summary>Until here the guest executed nothing; null when it was left stopped.</summary>
    public DateTimeOffset? ThawedAt { get; init; }

    /// <summary>True when the guest stayed stopped until the coordinator released the cut.</summary>
    public bool HeldUntilRelease { get; init; }

    /// <summary>True when the guest ran before the cut, so that it was stopped for it.</summary>
    public bool WasRunning { get; init; }

    /// <summary>The pause, between the machine's own stop and run events; null when the guest was paused before or left stopped.</summary>
    public TimeSpan? Pause { get; init; }

    /// <summary>The pause that was predicted when the cut was decided.</summary>
    public TimeSpan? PredictedPause { get; init; }

    /// <summary>The floor the transport had declared.</summary>
    public TimeSpan PauseFloor { get; init; }

    /// <summary>From asking for the stop to the final pass.</summary>
    public TimeSpan Stopping { get; init; }

    /// <summary>The final pass with the device state.</summary>
    public TimeSpan FinalPass { get; init; }

    /// <summary>Waiting for the others of the group.</summary>
    public TimeSpan Holding { get; init; }

    /// <summary>From the release to the machine's answer.</summary>
    public TimeSpan Thawing { get; init; }

    /// <summary>Octets of pages the cut buffer could not hold, so that the stopped guest had to wait for the sink.</summary>
    public long OverflowBytes { get; init; }
}
