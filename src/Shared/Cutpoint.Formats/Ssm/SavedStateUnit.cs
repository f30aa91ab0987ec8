namespace Cutpoint.Formats.Ssm;

/// <summary>The beginning of what one unit wrote in one execution.</summary>
/// <param name="Name">The unit's name.</param>
/// <param name="Instance">Its instance.</param>
/// <param name="Version">The version of its data.</param>
/// <param name="Pass">The pass; <see cref="FinalPass"/> for what was saved while the machine stood still.</param>
/// <param name="Offset">Octets from the start of the saved state to the unit's header.</param>
public sealed record SavedStateUnit(string Name, uint Instance, uint Version, uint Pass, long Offset)
{
    /// <summary>The pass of everything saved while the machine stood still.</summary>
    public const uint FinalPass = uint.MaxValue;

    /// <summary>Octets a name may have.</summary>
    public const int MaxNameLength = 47;
}
