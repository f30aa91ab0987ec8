namespace Cutpoint.Repository;

/// <summary>A finished pack, as the catalog takes it in.</summary>
internal sealed record CatalogPack(PackId Id, long Length, IReadOnlyList<PackEntry> Entries);
