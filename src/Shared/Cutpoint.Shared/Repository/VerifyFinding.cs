namespace Cutpoint.Repository;

/// <summary>One thing a verification found wrong.</summary>
/// <param name="Location">Where: a pack and offset, or the catalog.</param>
/// <param name="Reason">What is wrong there.</param>
/// <param name="Affected">Which parts of which checkpoints are hit; empty when none is.</param>
public sealed record VerifyFinding(string Location, string Reason, IReadOnlyList<AffectedPart> Affected);
