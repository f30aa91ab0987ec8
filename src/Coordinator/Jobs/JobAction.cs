using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>What a decision asks its host to do. A closed set; done after the events are written, in order.</summary>
public abstract record JobAction;

/// <summary>Tell a worker.</summary>
/// <param name="Command">What.</param>
public sealed record TellWorker(WorkerCommand Command) : JobAction;

/// <summary>Write the checkpoint to the catalog. Answered by <see cref="CommitSucceeded"/> or <see cref="CommitFailed"/>.</summary>
public sealed record CommitCheckpoint : JobAction;

/// <summary>Forget what was stored for this job.</summary>
public sealed record DiscardCheckpoint : JobAction;
