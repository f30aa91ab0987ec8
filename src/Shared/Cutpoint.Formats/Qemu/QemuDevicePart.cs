namespace Cutpoint.Formats.Qemu;

/// <summary>Everything of a stream that is not memory.</summary>
/// <param name="Devices">The devices in stream order.</param>
/// <param name="Description">The description the devices were cut by.</param>
/// <param name="HasOwnDescription">True when the stream brought the description itself.</param>
public sealed record QemuDevicePart(IReadOnlyList<DeviceSection> Devices, VmDescription Description, bool HasOwnDescription);
