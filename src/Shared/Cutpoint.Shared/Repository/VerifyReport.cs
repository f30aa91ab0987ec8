namespace Cutpoint.Repository;

/// <summary>What a verification saw.</summary>
/// <param name="Checkpoints">Checkpoints looked at.</param>
/// <param name="Packs">Packs read.</param>
/// <param name="Sections">Sections in them.</param>
/// <param name="Bytes">Octets read.</param>
/// <param name="Findings">What is wrong; empty when all is well.</param>
public sealed record VerifyReport(int Checkpoints, int Packs, long Sections, long Bytes, IReadOnlyList<VerifyFinding> Findings)
{
    /// <summary>Those of the sections that were read: fewer than all when only a sample was to be.</summary>
    public long SectionsRead { get; init; } = Sections;

    /// <summary>True when nothing is wrong.</summary>
    public bool IsSound => Findings.Count == 0;
}
