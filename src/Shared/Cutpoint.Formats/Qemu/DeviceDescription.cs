namespace Cutpoint.Formats.Qemu;

/// <summary>The layout of one device section.</summary>
/// <param name="Name">The idstr of the section it describes.</param>
/// <param name="Instance">The instance of the section it describes.</param>
/// <param name="State">The layout. Old-style devices have one field "data" and no name.</param>
/// <param name="Json">The JSON object it was read from, UTF-8; enough to read it again with <see cref="Parse"/>.</param>
public sealed record DeviceDescription(string Name, uint Instance, StateDescription State, ReadOnlyMemory<byte> Json)
{
    /// <summary>Reads one device's description, as <see cref="Json"/> holds it.</summary>
    /// <param name="json">UTF-8; kept, must not change afterwards.</param>
    /// <exception cref="MalformedInputException">Not such a description, or it exceeds a limit.</exception>
    public static DeviceDescription Parse(ReadOnlyMemory<byte> json) => VmDescriptionReader.ReadDevice(json);
}
