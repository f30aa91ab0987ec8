namespace Cutpoint.Repository;

/// <summary>A part of a checkpoint that damage hits.</summary>
/// <param name="Checkpoint">The checkpoint.</param>
/// <param name="Guest">The guest, or null when all are hit.</param>
/// <param name="Part">The RAM block or device, or null when the whole guest is hit.</param>
public sealed record AffectedPart(Ulid Checkpoint, string? Guest, string? Part)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"checkpoint {Checkpoint}" + (Guest is null ? "" : $", guest '{Guest}'") + (Part is null ? "" : $", {Part}");
}
