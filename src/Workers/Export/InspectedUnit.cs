namespace Cutpoint.Workers.Export;

/// <summary>One unit of a file, other than RAM.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Instance">Tells units of one name apart.</param>
/// <param name="Version">Version of its state.</param>
/// <param name="Length">Octets of its state.</param>
/// <param name="Fields">Its fields in the file's order; empty when the file does not say what its octets mean.</param>
public sealed record InspectedUnit(string Name, uint Instance, uint Version, long Length, IReadOnlyList<InspectedField> Fields);
