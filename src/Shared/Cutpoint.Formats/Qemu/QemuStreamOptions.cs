namespace Cutpoint.Formats.Qemu;

/// <summary>What a parser needs beyond the stream.</summary>
public sealed record QemuStreamOptions
{
    /// <summary>
    /// The description to cut the devices by when the stream brings none (suppress-vmdesc): one from another stream of the same QEMU
    /// version, machine and devices.
    /// Null, the default, refuses such streams. A stream's own description is always preferred.
    /// </summary>
    public VmDescription? Description { get; init; }

    /// <summary>
    /// The most octets of device state held until the description at the very end is in. The default has room for hundreds of devices.
    /// </summary>
    public int DeviceStateLimit { get; init; } = QemuStreamParser.DefaultDeviceStateLimit;
}
