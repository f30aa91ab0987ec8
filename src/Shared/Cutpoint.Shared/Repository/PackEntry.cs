using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>A value of a pack that catalogs know of.</summary>
/// <param name="Tag">Its tag: section, manifest or commit record.</param>
/// <param name="Digest">The identity of a section, else the digest of the value.</param>
/// <param name="Offset">Where it starts in the pack.</param>
/// <param name="Length">Octets of the value.</param>
internal readonly record struct PackEntry(BerTag Tag, Digest Digest, long Offset, int Length)
{
    public bool IsSection => Tag == PackFormat.SectionTag;

    public SectionRef In(PackId pack) => new(Digest, pack, Offset, Length);
}
