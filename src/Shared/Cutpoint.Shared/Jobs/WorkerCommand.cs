using System.Text.Json.Serialization;
using Cutpoint.Guests;

namespace Cutpoint.Jobs;

/// <summary>What a coordinator asks of the worker that serves one guest of a job. A closed set; immutable; versioned as JSON.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(OpenGuest), "open-guest")]
[JsonDerivedType(typeof(RunPass), "run-pass")]
[JsonDerivedType(typeof(PrepareCut), "prepare-cut")]
[JsonDerivedType(typeof(MakeCut), "make-cut")]
[JsonDerivedType(typeof(ReleaseCut), "release-cut")]
[JsonDerivedType(typeof(DrainGuest), "drain-guest")]
[JsonDerivedType(typeof(CloseGuest), "close-guest")]
public abstract record WorkerCommand(string JobId, string Guest)
{
    /// <summary>Version of the message. A reader refuses a newer one.</summary>
    public int Version { get; init; } = 1;
}

/// <summary>Preflight: look at the guest, change nothing. Answered by <see cref="GuestOpened"/> or <see cref="GuestFailed"/>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Uri">Its guest URI.</param>
/// <param name="Options">What is asked of the capture.</param>
/// <param name="Codec">Codec of the sections.</param>
public sealed record OpenGuest(string JobId, string Guest, string Uri, CaptureOptions Options, string Codec) : WorkerCommand(JobId, Guest);

/// <summary>One live pass with its votes. Answered by <see cref="PassFinished"/> or <see cref="GuestFailed"/>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Pass">Number of the pass; above the last.</param>
/// <param name="IsAligning">
/// True for a pass that only keeps the rest small while another guest of the group is not so far: it begins after a rest, has no votes, and is given up
/// when the next command comes before it has begun.
/// </param>
public sealed record RunPass(string JobId, string Guest, uint Pass, bool IsAligning = false) : WorkerCommand(JobId, Guest);

/// <summary>
/// Do everything that can be done before the stop, so that nothing stands between <see cref="MakeCut"/> and the stop. Answered by
/// <see cref="CutPrepared"/> or <see cref="GuestFailed"/>.
/// </summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Epoch">Which attempt, from 1.</param>
public sealed record PrepareCut(string JobId, string Guest, int Epoch) : WorkerCommand(JobId, Guest);

/// <summary>
/// Stop the guest, secure its state, and hold it. Answered by <see cref="CutHeld"/>; the worker thaws by itself at the freeze limit.
/// </summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Epoch">Which attempt, from 1.</param>
public sealed record MakeCut(string JobId, string Guest, int Epoch) : WorkerCommand(JobId, Guest);

/// <summary>All guests are held, or the attempt is void: thaw. Answered by <see cref="CutEnded"/>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Epoch">The attempt that is released.</param>
/// <param name="IsVoid">True when the attempt counts for nothing, so that another may follow.</param>
public sealed record ReleaseCut(string JobId, string Guest, int Epoch, bool IsVoid = false) : WorkerCommand(JobId, Guest);

/// <summary>Write what is left until it is durable. Answered by <see cref="GuestDrained"/> or <see cref="GuestFailed"/>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
public sealed record DrainGuest(string JobId, string Guest) : WorkerCommand(JobId, Guest);

/// <summary>End the capture and put the guest back. Overtakes everything that is under way. Always answered by <see cref="GuestClosed"/>.</summary>
/// <param name="JobId">The job.</param>
/// <param name="Guest">Name of the guest.</param>
/// <param name="Keep">True when the checkpoint is safe, so that a guest that shall stay stopped may; false runs it again.</param>
public sealed record CloseGuest(string JobId, string Guest, bool Keep) : WorkerCommand(JobId, Guest)
{
    /// <summary>True when nobody has said what becomes of the checkpoint: the coordinator was lost. It may be safe, so what it would need stays.</summary>
    [JsonIgnore]
    public bool IsUndecided { get; init; }
}
