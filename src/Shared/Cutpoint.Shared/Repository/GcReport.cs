namespace Cutpoint.Repository;

/// <summary>What a collection of garbage removed, or would remove.</summary>
/// <param name="UnusedPacks">Packs that no checkpoint needs any more.</param>
/// <param name="LeftoverPacks">Packs of jobs that died before their commit.</param>
/// <param name="Bytes">Octets that became free, those of rewritten packs included.</param>
/// <param name="DeadJobs">Jobs whose process is gone.</param>
/// <param name="IsDryRun">True when nothing was removed.</param>
public sealed record GcReport(
    IReadOnlyList<PackId> UnusedPacks, IReadOnlyList<PackId> LeftoverPacks, long Bytes, IReadOnlyList<Ulid> DeadJobs, bool IsDryRun)
{
    /// <summary>Packs of which little was needed, and that little was moved.</summary>
    public IReadOnlyList<PackId> RewrittenPacks { get; init; } = [];
}
