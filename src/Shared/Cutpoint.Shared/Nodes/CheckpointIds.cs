namespace Cutpoint.Nodes;

/// <summary>Checkpoints of the repository the job writes to.</summary>
/// <param name="Ids">Their ids.</param>
public sealed record CheckpointIds(IReadOnlyList<string> Ids);
