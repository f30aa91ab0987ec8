using Cutpoint.Units;

namespace Cutpoint.Repository;

/// <summary>The saved state of a unit without pages.</summary>
/// <param name="Unit">The unit.</param>
/// <param name="Version">Version of the unit's state.</param>
/// <param name="State">The octets the unit wrote.</param>
/// <param name="Description">What the octets mean, as the driver describes it (for QEMU a part of the VM description), or empty.</param>
public sealed record DeviceState(UnitKey Unit, uint Version, ReadOnlyMemory<byte> State, ReadOnlyMemory<byte> Description = default);
