namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>What became of a set of overlays whose checkpoint is not there any more.</summary>
/// <param name="Socket">Path of the guest's monitor.</param>
/// <param name="Details">What was done, for people; one line.</param>
public sealed record OverlayOutcome(string Socket, string Details)
{
    /// <summary>Why it could not be merged now, or null when nothing is left of it.</summary>
    public SnapshotException? Problem { get; init; }

    /// <summary>One line for people.</summary>
    public override string ToString() => Problem is { } problem ? $"{problem.Message}{(problem.Advice is null ? "" : $" — {problem.Advice}")}" : $"{Socket}: {Details}";
}
