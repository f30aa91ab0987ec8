using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>What the job knows of one of its guests.</summary>
/// <param name="Name">The guest's name in the job.</param>
/// <param name="Uri">Its guest URI.</param>
public sealed record GuestProgress(string Name, string Uri)
{
    /// <summary>Where the guest stands.</summary>
    public GuestStage Stage { get; init; }

    /// <summary>The answer of its preflight.</summary>
    public GuestOpened? Opened { get; init; }

    /// <summary>Number of its pass under way, or of its last.</summary>
    public uint Pass { get; init; }

    /// <summary>Its voted live passes, in order.</summary>
    public IReadOnlyList<PassFinished> Passes { get; init; } = [];

    /// <summary>The report of its last stop.</summary>
    public CutReport? Cut { get; init; }

    /// <summary>The pass at the cut.</summary>
    public PassReport? FinalPass { get; init; }

    /// <summary>What could not be put back.</summary>
    public JobError? Trouble { get; init; }

    /// <summary>Why the job goes on without it, or null while it does not.</summary>
    public MissingGuest? Missing { get; init; }

    /// <summary>True when live passes come before its cut.</summary>
    public bool TakesPasses => Opened is { Strategy: Guests.CaptureStrategy.Precopy };

    /// <summary>True when a pass may be repeated at will: RAM is read in place. A migration stream is held by not reading it instead.</summary>
    public bool CanAlign => TakesPasses && Opened is { Transport: Guests.CaptureTransport.Direct };

    /// <summary>True when the guest may be stopped by this job at this moment.</summary>
    public bool MayBeStopped => Stage is GuestStage.Stopping or GuestStage.Held or GuestStage.Releasing;
}
