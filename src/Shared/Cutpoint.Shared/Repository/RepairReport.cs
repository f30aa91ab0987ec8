namespace Cutpoint.Repository;

/// <summary>What a repair did.</summary>
/// <param name="Packs">Packs the catalog now knows.</param>
/// <param name="Sections">Sections in them.</param>
/// <param name="Checkpoints">Checkpoints the catalog now lists.</param>
/// <param name="Findings">What was wrong, one line each: torn tails that were cut, damage, checkpoints that are lost and why.</param>
public sealed record RepairReport(int Packs, long Sections, IReadOnlyList<CheckpointInfo> Checkpoints, IReadOnlyList<string> Findings);
