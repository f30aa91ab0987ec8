namespace Cutpoint.Formats.Ber;

/// <summary>The head of a section.</summary>
/// <param name="Name">Name of the unit it belongs to.</param>
/// <param name="SectionId">Number of the unit in this file.</param>
/// <param name="InstanceId">Tells units of one name apart.</param>
/// <param name="VersionId">Version of the unit's state.</param>
/// <param name="IsContinuing">True for a further section of a unit; name, instance and version are those of its opening section.</param>
/// <param name="Offset">Position of the section in the input.</param>
public sealed record BerSection(string Name, uint SectionId, uint InstanceId, uint VersionId, bool IsContinuing, long Offset);
