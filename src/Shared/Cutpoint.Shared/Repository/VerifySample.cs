namespace Cutpoint.Repository;

/// <summary>
/// A part of the sections to be read, picked anew by each verification: run often, it comes past everything at a fraction of the reading. Manifests, commit
/// records, indices and the catalog are small and always checked whole.
/// </summary>
/// <param name="Share">How much of each pack's sections, above 0 and at most 1; at least one section of every pack is read.</param>
/// <param name="Random">Picks them.</param>
public sealed record VerifySample(double Share, Random Random);
