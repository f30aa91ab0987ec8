using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>What reaches a job from outside. A closed set.</summary>
public abstract record JobMessage;

/// <summary>Begin.</summary>
public sealed record StartJob : JobMessage;

/// <summary>The user wants no checkpoint any more.</summary>
public sealed record CancelJob : JobMessage;

/// <summary>The process is asked to end: put the guests back and leave the rest to another.</summary>
/// <param name="Reason">By whom.</param>
public sealed record InterruptJob(string Reason) : JobMessage;

/// <summary>The process that ran the job died after the commit: the checkpoint is there.</summary>
public sealed record CheckpointFound : JobMessage;

/// <summary>The process that ran the job died, and nobody goes on with it.</summary>
/// <param name="Error">Why not.</param>
public sealed record AbandonJob(JobError Error) : JobMessage;

/// <summary>A worker has reported.</summary>
/// <param name="Report">What it said.</param>
public sealed record WorkerReported(WorkerReport Report) : JobMessage;

/// <summary>The line to the workers is cut.</summary>
/// <param name="Error">How.</param>
public sealed record WorkersLost(JobError Error) : JobMessage;

/// <summary>The catalog was written.</summary>
public sealed record CommitSucceeded : JobMessage;

/// <summary>The catalog was not written.</summary>
/// <param name="Error">Why.</param>
public sealed record CommitFailed(JobError Error) : JobMessage;
