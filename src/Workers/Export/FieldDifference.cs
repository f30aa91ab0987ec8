namespace Cutpoint.Workers.Export;

/// <summary>A field of a device that differs.</summary>
/// <param name="Path">Its path, such as "env.segs[1].base"; "data" for a state that is not described.</param>
/// <param name="Type">Its type as QEMU names it.</param>
/// <param name="Before">Its value in the first guest, for people; null when it is not there.</param>
/// <param name="After">Its value in the second guest; null when it is not there.</param>
public sealed record FieldDifference(string Path, string Type, string? Before, string? After);
