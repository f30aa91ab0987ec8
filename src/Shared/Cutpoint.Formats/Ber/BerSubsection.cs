namespace Cutpoint.Formats.Ber;

/// <summary>A subsection of a device's state, held in memory.</summary>
/// <param name="Name">Its full name.</param>
/// <param name="VersionId">Its version.</param>
/// <param name="State">Its state.</param>
public sealed record BerSubsection(string Name, uint VersionId, BerItem.Group State);
