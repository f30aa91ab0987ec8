namespace Cutpoint.Repository;

/// <summary>One guest of a checkpoint, as listings show it.</summary>
/// <param name="Name">The guest's name, unique within the checkpoint.</param>
/// <param name="Root">Root digest: the digest of the guest's manifest, which names every section by its content.</param>
/// <param name="LogicalBytes">Octets of all RAM blocks.</param>
/// <param name="ContentBytes">Octets of the pages that are not zero.</param>
/// <param name="ReusedBytes">Of those, the octets of pages that were stored before this checkpoint.</param>
/// <param name="StoredBytes">Octets this checkpoint added to the packs for the guest.</param>
public sealed record GuestInfo(string Name, Digest Root, long LogicalBytes, long ContentBytes, long ReusedBytes, long StoredBytes);
