namespace Cutpoint.Workers.Export;

/// <summary>One field of a unit.</summary>
/// <param name="Name">Its path: "env.segs[1].base"; in formats without names the positions.</param>
/// <param name="Type">Its type as the format names it.</param>
/// <param name="Value">Its value for people.</param>
public sealed record InspectedField(string Name, string Type, string Value)
{
    /// <summary>Octets from the start of the unit's state to the field; null where a format has none to tell.</summary>
    public long? Offset { get; init; }

    /// <summary>Octets of the field; null where a format has none to tell.</summary>
    public long? Size { get; init; }
}
