namespace Cutpoint.Durability;

/// <summary>Something that became of a node, for operators. Records are only ever added, and dropped when they are old.</summary>
/// <param name="Name">The node.</param>
/// <param name="Epoch">Which of the processes that had the name.</param>
/// <param name="HappenedAt">When it was written, by the database's clock.</param>
/// <param name="Transition">What.</param>
public sealed record NodeRecord(string Name, long Epoch, DateTimeOffset HappenedAt, NodeTransition Transition);
