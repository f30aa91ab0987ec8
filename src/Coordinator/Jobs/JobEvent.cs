using System.Text.Json.Serialization;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>What has happened in a job. A closed set; immutable; the lines of its journal.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(JobPlanned), "job-planned")]
[JsonDerivedType(typeof(JobResumed), "job-resumed")]
[JsonDerivedType(typeof(PreflightStarted), "preflight-started")]
[JsonDerivedType(typeof(GuestLookedAt), "guest-looked-at")]
[JsonDerivedType(typeof(PassStarted), "pass-started")]
[JsonDerivedType(typeof(PassEnded), "pass-ended")]
[JsonDerivedType(typeof(AlignmentStarted), "alignment-started")]
[JsonDerivedType(typeof(CutPlanned), "cut-planned")]
[JsonDerivedType(typeof(GuestPrepared), "guest-prepared")]
[JsonDerivedType(typeof(CutStarted), "cut-started")]
[JsonDerivedType(typeof(GuestHeld), "guest-held")]
[JsonDerivedType(typeof(CutReleased), "cut-released")]
[JsonDerivedType(typeof(GuestThawed), "guest-thawed")]
[JsonDerivedType(typeof(CutVoided), "cut-voided")]
[JsonDerivedType(typeof(CutCertified), "cut-certified")]
[JsonDerivedType(typeof(DrainStarted), "drain-started")]
[JsonDerivedType(typeof(GuestStored), "guest-stored")]
[JsonDerivedType(typeof(CommitStarted), "commit-started")]
[JsonDerivedType(typeof(CheckpointCommitted), "checkpoint-committed")]
[JsonDerivedType(typeof(GuestDropped), "guest-dropped")]
[JsonDerivedType(typeof(AbortStarted), "abort-started")]
[JsonDerivedType(typeof(GuestPutBack), "guest-put-back")]
[JsonDerivedType(typeof(JobAborted), "job-aborted")]
[JsonDerivedType(typeof(JobInterrupted), "job-interrupted")]
public abstract record JobEvent;

/// <summary>The job exists: the first event of each.</summary>
/// <param name="Plan">What it is to do.</param>
public sealed record JobPlanned(JobPlan Plan) : JobEvent;

/// <summary>Another process goes on with the job, from its beginning but with what is stored already.</summary>
/// <param name="Attempt">Which process, from 2.</param>
public sealed record JobResumed(int Attempt) : JobEvent;

/// <summary>The guests are being looked at.</summary>
public sealed record PreflightStarted : JobEvent;

/// <summary>A guest can be captured as asked.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record GuestLookedAt(GuestOpened Answer) : JobEvent;

/// <summary>A live pass has begun over every guest that takes passes.</summary>
/// <param name="Pass">Its number.</param>
public sealed record PassStarted(uint Pass) : JobEvent;

/// <summary>A guest has ended its pass.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record PassEnded(PassFinished Answer) : JobEvent;

/// <summary>A guest repeats small passes until the others of the group have finished their first.</summary>
/// <param name="Guest">Who.</param>
/// <param name="Pass">Number of the pass.</param>
public sealed record AlignmentStarted(string Guest, uint Pass) : JobEvent;

/// <summary>Every guest was told to make ready for its stop.</summary>
/// <param name="Epoch">Which attempt.</param>
public sealed record CutPlanned(int Epoch) : JobEvent;

/// <summary>Nothing stands between a guest and its stop.</summary>
/// <param name="Guest">Who.</param>
public sealed record GuestPrepared(string Guest) : JobEvent;

/// <summary>Every guest was told to stop: the intent, written before it is done.</summary>
/// <param name="Epoch">Which attempt.</param>
public sealed record CutStarted(int Epoch) : JobEvent;

/// <summary>A guest is stopped and secured.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record GuestHeld(CutHeld Answer) : JobEvent;

/// <summary>Guests that are held were told to thaw. Without a void before it, all were.</summary>
/// <param name="Guests">Who.</param>
public sealed record CutReleased(IReadOnlyList<string> Guests) : JobEvent
{
    /// <inheritdoc/>
    public bool Equals(CutReleased? other) => other is not null && Guests.SequenceEqual(other.Guests);

    /// <inheritdoc/>
    public override int GetHashCode() => Guests.Count;
}

/// <summary>A guest's stop has ended.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record GuestThawed(CutEnded Answer) : JobEvent;

/// <summary>The cut cannot be true.</summary>
/// <param name="Epoch">Which attempt.</param>
/// <param name="Reason">Why.</param>
public sealed record CutVoided(int Epoch, string Reason) : JobEvent;

/// <summary>The cut is true: every guest was stopped over one common interval.</summary>
/// <param name="Epoch">Which attempt.</param>
/// <param name="Skew">Between the first stop and the last.</param>
public sealed record CutCertified(int Epoch, TimeSpan Skew) : JobEvent;

/// <summary>The rest is being written.</summary>
public sealed record DrainStarted : JobEvent;

/// <summary>All of a guest is durable.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record GuestStored(GuestDrained Answer) : JobEvent;

/// <summary>The one write to the catalog is under way.</summary>
public sealed record CommitStarted : JobEvent;

/// <summary>The checkpoint exists.</summary>
public sealed record CheckpointCommitted : JobEvent;

/// <summary>A guest has failed, and the job goes on without it.</summary>
/// <param name="Guest">Who.</param>
/// <param name="Phase">Where the job stood.</param>
/// <param name="Error">Why it failed.</param>
public sealed record GuestDropped(string Guest, JobPhase Phase, JobError Error) : JobEvent;

/// <summary>There will be no checkpoint.</summary>
/// <param name="Error">Why.</param>
public sealed record AbortStarted(JobError Error) : JobEvent;

/// <summary>A guest's capture has ended.</summary>
/// <param name="Answer">What its worker said.</param>
public sealed record GuestPutBack(GuestClosed Answer) : JobEvent;

/// <summary>There is no checkpoint and every guest is put back.</summary>
public sealed record JobAborted : JobEvent;

/// <summary>The job was stopped before its end; every guest is put back, and what is stored stays until the job is resumed or cancelled.</summary>
public sealed record JobInterrupted : JobEvent;
