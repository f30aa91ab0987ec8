namespace Cutpoint.Formats.Ssm;

/// <summary>Where the last data of a unit begin.</summary>
/// <param name="Offset">Octets to the unit's header.</param>
/// <param name="Instance">The unit's instance.</param>
/// <param name="NameChecksum">CRC-32 of the unit's name.</param>
public readonly record struct SavedStateDirectoryEntry(long Offset, uint Instance, uint NameChecksum);
