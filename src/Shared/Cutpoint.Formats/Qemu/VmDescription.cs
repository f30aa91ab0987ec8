namespace Cutpoint.Formats.Qemu;

/// <summary>The description at the end of a stream: the layout of every device. QEMU migration stream, section 5. Immutable.</summary>
public sealed class VmDescription
{
    /// <summary>The longest description accepted, in octets. Usual ones have 100 kB.</summary>
    public const int LengthLimit = 32 << 20;

    internal VmDescription(int pageSize, StateDescription? configuration, IReadOnlyList<DeviceDescription> devices,
        ReadOnlyMemory<byte> json)
    {
        PageSize = pageSize;
        Configuration = configuration;
        Devices = devices;
        Json = json;
    }

    /// <summary>Octets of a target page.</summary>
    public int PageSize { get; }

    /// <summary>The layout of the configuration section; null before QEMU 10.</summary>
    public StateDescription? Configuration { get; }

    /// <summary>The devices in stream order, one for each FULL section.</summary>
    public IReadOnlyList<DeviceDescription> Devices { get; }

    /// <summary>The JSON as it was sent, UTF-8.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    /// <summary>Reads a description. Duplicate and unknown keys are accepted: QEMU repeats the keys of list elements.</summary>
    /// <param name="json">UTF-8; kept, must not change afterwards.</param>
    /// <param name="streamOffset">Added to the offsets of errors.</param>
    /// <exception cref="MalformedInputException">Not such a description, or it exceeds a limit.</exception>
    public static VmDescription Parse(ReadOnlyMemory<byte> json, long streamOffset = 0) => VmDescriptionReader.Read(json, streamOffset);
}
