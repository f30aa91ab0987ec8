namespace Cutpoint.Repository;

/// <summary>What an interrupted job has made durable.</summary>
/// <param name="Packs">Its packs, finished.</param>
/// <param name="Placements">Where the pages of their sections are, in the order in which they were written.</param>
/// <param name="Commit">The commit record, when the job came as far as that: only the catalog lacks it.</param>
internal sealed record RecoveredJob(IReadOnlyList<CatalogPack> Packs, IReadOnlyList<Placement> Placements, CatalogCommit? Commit);
