namespace Cutpoint.Workers.Export;

/// <summary>A device two stored guests differ in.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Instance">Tells devices of one name apart.</param>
/// <param name="Change">Whether both have it.</param>
/// <param name="Fields">The fields that differ, of a device both have.</param>
public sealed record DeviceDifference(string Name, uint Instance, DeviceChange Change, IReadOnlyList<FieldDifference> Fields);
