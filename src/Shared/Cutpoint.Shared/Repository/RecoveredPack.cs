namespace Cutpoint.Repository;

/// <summary>What is found in a pack when nothing else is known of it.</summary>
/// <param name="Id">The pack, by its file's name.</param>
/// <param name="Length">Octets of the file.</param>
/// <param name="GoodLength">Octets up to the end of the last value whose digest holds.</param>
/// <param name="IsFinished">True when it ends in an index.</param>
/// <param name="Entries">The values whose digests hold; of a finished pack those its index names.</param>
/// <param name="Damages">What does not hold.</param>
internal sealed record RecoveredPack(
    PackId Id, long Length, long GoodLength, bool IsFinished, IReadOnlyList<PackEntry> Entries, IReadOnlyList<string> Damages);
