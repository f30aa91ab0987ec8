namespace Cutpoint.Repository;

/// <summary>Where a section is stored.</summary>
/// <param name="Identity">Digest of its content alone.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Offset">Octets into the pack.</param>
/// <param name="Length">Octets of the section's value there.</param>
public readonly record struct SectionRef(Digest Identity, PackId Pack, long Offset, int Length);
