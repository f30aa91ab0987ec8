using System.Text.Json.Serialization;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Jobs;

/// <summary>What a worker tells the coordinator about one guest of a job. A closed set; immutable; versioned as JSON.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(GuestOpened), "guest-opened")]
[JsonDerivedType(typeof(PassFinished), "pass-finished")]
[JsonDerivedType(typeof(CutPrepared), "cut-prepared")]
[JsonDerivedType(typeof(CutHeld), "cut-held")]
[JsonDerivedType(typeof(CutEnded), "cut-ended")]
[JsonDerivedType(typeof(GuestDrained), "guest-drained")]
[JsonDerivedType(typeof(GuestClosed), "guest-closed")]
[JsonDerivedType(typeof(GuestFailed), "guest-failed")]
public abstract record WorkerReport(string JobId, string Guest)
{
    /// <summary>Version of the message. A reader refuses a newer one.</summary>
    public int Version { get; init; } = 1;
}

/// <summary>The preflight has passed.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Transport">The transport chosen.</param>
/// <param name="Strategy">The strategy chosen.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="PauseFloor">The shortest pause possible.</param>
/// <param name="WasRunning">True when the guest runs.</param>
public sealed record GuestOpened(
    string JobId, string Guest, CaptureTransport Transport, CaptureStrategy Strategy, string Reason, TimeSpan PauseFloor, bool WasRunning)
    : WorkerReport(JobId, Guest);

/// <summary>A live pass has ended and the units have voted.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Decision">What the votes amount to.</param>
/// <param name="Report">The pass.</param>
public sealed record PassFinished(string JobId, string Guest, VoteDecision Decision, PassReport Report) : WorkerReport(JobId, Guest);

/// <summary>The guest runs, and nothing stands between it and its stop.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Epoch">The attempt.</param>
public sealed record CutPrepared(string JobId, string Guest, int Epoch) : WorkerReport(JobId, Guest);

/// <summary>The guest is stopped and its state is secured; it is held until the release.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Epoch">The attempt.</param>
/// <param name="StoppedAt">From when on it executed nothing.</param>
public sealed record CutHeld(string JobId, string Guest, int Epoch, DateTimeOffset StoppedAt) : WorkerReport(JobId, Guest);

/// <summary>The stop has ended: by the release, or before it, which makes the cut void.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Cut">How it went.</param>
public sealed record CutEnded(string JobId, string Guest, CutReport Cut) : WorkerReport(JobId, Guest);

/// <summary>Everything of the guest is durable.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="FinalPass">The pass at the cut.</param>
public sealed record GuestDrained(string JobId, string Guest, PassReport FinalPass) : WorkerReport(JobId, Guest);

/// <summary>The capture has ended; the guest is put back.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Trouble">What could not be put back, or null.</param>
public sealed record GuestClosed(string JobId, string Guest, JobError? Trouble = null) : WorkerReport(JobId, Guest);

/// <summary>The capture cannot go on. The guest runs, or is being made to; it is closed by command.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Error">Why.</param>
public sealed record GuestFailed(string JobId, string Guest, JobError Error) : WorkerReport(JobId, Guest);

/// <summary>The worker of the guest cannot be reached, or not any more. Said by the coordinator's line to it; it never crosses one.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Error">How it was lost.</param>
/// <param name="WasReached">True when this process of the job has spoken with it before.</param>
public sealed record GuestLost(string JobId, string Guest, JobError Error, bool WasReached) : WorkerReport(JobId, Guest);
