using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// What a BER snapshot made by <see cref="BerGuestWriter"/> holds beside the memory.
/// </summary>
/// <param name="Devices">The devices in order, with the octets and descriptions they were written from.</param>
/// <param name="Attachments">What the writer was given to keep, by name.</param>
public sealed record BerGuest(IReadOnlyList<DeviceSection> Devices, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> Attachments)
{
    /// <summary>Start of the names of sections that belong to no unit of the guest.</summary>
    public const string NamePrefix = "cutpoint/";

    /// <summary>Section with the machine's configuration: JSON in one OCTET STRING, in front of the memory.</summary>
    public const string ConfigurationName = NamePrefix + "configuration";

    /// <summary>Section with the description of the devices behind it: JSON in one OCTET STRING, laid out as QEMU does.</summary>
    public const string DescriptionName = NamePrefix + "description";

    /// <summary>Name of the unit that holds the memory.</summary>
    public const string RamName = "ram";

    /// <summary>Version of the memory's state.</summary>
    public const uint RamVersion = 4;

    /// <summary>Octets of all devices' states and attachments together that are taken.</summary>
    public const int MaxLength = 128 << 20;
}
