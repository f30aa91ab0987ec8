namespace Cutpoint.Units;

/// <summary>The unique key of a unit: saved state contract, section A.1.</summary>
/// <param name="Name">1 to 47 octets of UTF-8.</param>
/// <param name="Instance">Tells units of one name apart.</param>
public readonly record struct UnitKey(string Name, uint Instance)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}/{Instance}";
}
