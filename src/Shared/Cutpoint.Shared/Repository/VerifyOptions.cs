namespace Cutpoint.Repository;

/// <summary>What of a repository is verified.</summary>
public sealed record VerifyOptions
{
    /// <summary>The checkpoints, or null for the whole repository.</summary>
    public IReadOnlyList<CheckpointInfo>? Checkpoints { get; init; }

    /// <summary>Which of the sections are read whole, or null for all of them.</summary>
    public VerifySample? Sample { get; init; }

    /// <summary>
    /// True to read only packs that were never found sound. Whatever is not read is there, has its length, and every head in it that a checkpoint needs
    /// holds: that is looked at in any case.
    /// </summary>
    public bool OnlyNew { get; init; }
}
