namespace Cutpoint.Repository;

/// <summary>What a retention policy says of a checkpoint.</summary>
/// <param name="Checkpoint">The checkpoint.</param>
/// <param name="Reasons">The rules that keep it, with the period it stands for; none when it goes.</param>
public sealed record RetentionDecision(CheckpointInfo Checkpoint, IReadOnlyList<string> Reasons)
{
    /// <summary>True when a rule keeps it.</summary>
    public bool IsKept => Reasons.Count > 0;
}
