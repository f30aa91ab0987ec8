using Cutpoint.Units;

namespace Cutpoint.Guests;

/// <summary>The state of one device as the machine wrote it at the cut.</summary>
/// <param name="Unit">The device: the name and instance the machine gives it.</param>
/// <param name="Version">Version of the device's layout, opaque here.</param>
/// <param name="State">The octets, without the machine's framing around them.</param>
/// <param name="Description">What the octets mean, as the driver describes it (for QEMU a part of the VM description), or empty.</param>
public sealed record DeviceState(UnitKey Unit, uint Version, ReadOnlyMemory<byte> State, ReadOnlyMemory<byte> Description = default);
