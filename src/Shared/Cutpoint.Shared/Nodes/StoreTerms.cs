using Cutpoint.Jobs;

namespace Cutpoint.Nodes;

/// <summary>What a worker has to know to store a guest in a repository it does not see.</summary>
/// <param name="HashSecret">The repository's secret for page hashes. It tells nothing of what is stored.</param>
/// <param name="IdentityKey">The key under which an encrypted repository knows its sections; null in the clear. It opens nothing that is stored.</param>
/// <param name="Codec">Codec of the sections: <c>zstd[:LEVEL]</c>, <c>lz4</c> or <c>none</c>.</param>
/// <param name="Base">What the capture starts from and why.</param>
public sealed record StoreTerms(byte[] HashSecret, byte[]? IdentityKey, string Codec, BaseReport? Base);
