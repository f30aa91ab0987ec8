using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Repository;

/// <summary>A unit without pages, as the manifest names it.</summary>
/// <param name="Unit">The unit.</param>
/// <param name="Version">Version of the unit's state.</param>
/// <param name="Length">Octets of its state.</param>
/// <param name="DescriptionLength">Octets of the description of its state.</param>
public sealed record DeviceInfo(UnitKey Unit, uint Version, long Length, long DescriptionLength)
{
    internal int[] StateSections { get; init; } = [];

    internal int[] DescriptionSections { get; init; } = [];

    /// <summary>Sections that octets take: all but the last are full.</summary>
    internal static long SectionCount(long length) => (length / Paging.SectionSize) + (length % Paging.SectionSize == 0 ? 0 : 1);
}
