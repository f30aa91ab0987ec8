namespace Cutpoint.Formats.Qemu;

/// <summary>One field of a device's state with its value.</summary>
/// <param name="Path">Where it is: names joined by dots, array elements in brackets, subsections in slashes: "env.segs[1].base",
/// "cpu/poll_control_msr.env.poll_control_msr".</param>
/// <param name="Type">QEMU's name of the wire type.</param>
/// <param name="Offset">Octets from the start of the payload.</param>
/// <param name="Octets">The field on the wire; a slice of the payload.</param>
public readonly record struct DeviceField(string Path, string Type, int Offset, ReadOnlyMemory<byte> Octets)
{
    /// <summary>Octets on the wire.</summary>
    public int Size => Octets.Length;
}
