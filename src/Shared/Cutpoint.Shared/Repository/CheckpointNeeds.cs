namespace Cutpoint.Repository;

/// <summary>What listed checkpoints need.</summary>
/// <param name="Checkpoints">The checkpoints that were looked at.</param>
/// <param name="Sections">Every section their manifests name.</param>
internal sealed record CheckpointNeeds(IReadOnlySet<Ulid> Checkpoints, IReadOnlySet<Digest> Sections);
