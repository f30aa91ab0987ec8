namespace Cutpoint.Nodes;

/// <summary>A unit without pages, as it crosses the wire; its octets follow.</summary>
/// <param name="Name">Name of the unit.</param>
/// <param name="Instance">Its instance.</param>
/// <param name="Version">Version of its state.</param>
/// <param name="StateLength">Octets of its state.</param>
/// <param name="DescriptionLength">Octets of the description of its state.</param>
public sealed record StoredDevice(string Name, uint Instance, uint Version, int StateLength, int DescriptionLength);
