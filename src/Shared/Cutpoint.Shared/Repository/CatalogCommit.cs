namespace Cutpoint.Repository;

/// <summary>A checkpoint, as the catalog takes it in.</summary>
/// <param name="Info">What listings show.</param>
/// <param name="Record">Where its commit record is.</param>
/// <param name="Manifests">Where the manifest of each guest is, in the order of the guests.</param>
/// <param name="Sections">Every section the manifests name.</param>
/// <param name="MayBeDamaged">True when the packs are all there is, so that sections may be missing; 'verify' will say which.</param>
internal sealed record CatalogCommit(
    CheckpointInfo Info, SectionRef Record, IReadOnlyList<SectionRef> Manifests, IReadOnlyCollection<Digest> Sections,
    bool MayBeDamaged = false);
