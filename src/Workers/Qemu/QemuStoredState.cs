using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Qemu;

/// <summary>
/// How the parts of a migration stream that are not memory lie in a checkpoint: a device section is a <see cref="DeviceState"/> with its part of the VM
/// description, in stream order; the configuration is a few properties of the guest. Capture and import write it, restore and export read it.
/// </summary>
public static class QemuStoredState
{
    /// <summary>Property: how many devices, from the first on, stand before the memory in a stream.</summary>
    public const string EarlyDevicesProperty = "qemu.early-devices";

    private const string MachineProperty = "qemu.machine";
    private const string PageBitsProperty = "qemu.target-page-bits";
    private const string UuidProperty = "qemu.uuid";
    private const string RunStateDevice = "globalstate";
    private const int RunStateLength = 100;

    /// <summary>
    /// The properties to store with a guest. Capabilities are not among them: they say how one stream was sent, and a stream written later has its own.
    /// </summary>
    public static IReadOnlyDictionary<string, string> PropertiesOf(QemuConfiguration configuration, IEnumerable<DeviceSection> devices)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [MachineProperty] = configuration.MachineName,
            [EarlyDevicesProperty] = devices.Count(device => device.IsEarly).ToString(CultureInfo.InvariantCulture),
        };
        if (configuration.TargetPageBits is { } bits) properties[PageBitsProperty] = bits.ToString(CultureInfo.InvariantCulture);
        if (!configuration.Uuid.IsEmpty) properties[UuidProperty] = Convert.ToHexStringLower(configuration.Uuid.Span);
        return properties;
    }

    /// <summary>The states to store, early ones first.</summary>
    public static IReadOnlyList<DeviceState> StatesOf(IReadOnlyList<DeviceSection> devices) =>
    [
        .. devices.OrderByDescending(device => device.IsEarly).Select(device => new DeviceState(
            new UnitKey(device.Name, device.Instance), device.Version, device.Payload, device.Description?.Json ?? default)),
    ];

    /// <summary>The configuration of a stream of a stored guest, without capabilities.</summary>
    /// <exception cref="SnapshotException">The guest has no such properties: it was not captured from QEMU.</exception>
    public static QemuConfiguration ConfigurationOf(GuestDescription guest)
    {
        if (!guest.Properties.TryGetValue(MachineProperty, out var machine))
            throw new SnapshotException(
                ErrorCode.Incompatible, $"guest '{guest.Name}' of driver '{guest.Driver}' is not a QEMU guest", "it cannot become a migration stream") { IsPreflight = true };
        return new QemuConfiguration(machine)
        {
            TargetPageBits = guest.Properties.TryGetValue(PageBitsProperty, out var bits) ? ParseNumber(PageBitsProperty, bits) : null,
            Uuid = guest.Properties.TryGetValue(UuidProperty, out var uuid) ? Convert.FromHexString(uuid) : default(ReadOnlyMemory<byte>),
        };
    }

    /// <summary>The device sections of a stored guest, in stream order.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="states">Its devices as stored.</param>
    public static IReadOnlyList<DeviceSection> SectionsOf(GuestDescription guest, IReadOnlyList<DeviceState> states)
    {
        var early = guest.Properties.TryGetValue(EarlyDevicesProperty, out var count) ? ParseNumber(EarlyDevicesProperty, count) : 0;
        // Numbers as QEMU gives them: RAM and other iterables come first, devices follow. Only footers repeat them.
        const uint First = 16;
        return [.. states.Select((state, index) => new DeviceSection(state.Unit.Name, state.Unit.Instance, state.Version, First + (uint)index, state.State)
        {
            Description = state.Description.IsEmpty ? null : DeviceDescription.Parse(state.Description),
            IsEarly = index < early,
        })];
    }

    /// <summary>
    /// The run state the guest's own stream carries ("running", "paused"): a receiver starts by it. Null when no device carries one.
    /// </summary>
    public static string? RunStateOf(IEnumerable<DeviceSection> devices)
    {
        foreach (var device in devices)
        {
            if (!IsRunState(device)) continue;
            var text = device.Payload.Span[4..];
            var end = text.IndexOf((byte)0);
            return Encoding.ASCII.GetString(end < 0 ? text : text[..end]);
        }
        return null;
    }

    /// <summary>The same devices with another run state. A guest that is stopped before it is saved carries "paused", though it is to run.</summary>
    public static IReadOnlyList<DeviceSection> WithRunState(IReadOnlyList<DeviceSection> devices, string runState)
    {
        return [.. devices.Select(device => IsRunState(device) ? device with { Payload = Write(runState) } : device)];

        static byte[] Write(string text)
        {
            var payload = new byte[4 + RunStateLength];
            // The length counts the zero octet behind the text.
            BinaryPrimitives.WriteInt32BigEndian(payload, text.Length + 1);
            Encoding.ASCII.GetBytes(text, payload.AsSpan(4));
            return payload;
        }
    }

    private static bool IsRunState(DeviceSection device) =>
        device is { Name: RunStateDevice, Version: 1, Payload.Length: 4 + RunStateLength };

    private static int ParseNumber(string property, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 0 and < 1 << 20
            ? number
            : throw new SnapshotException(ErrorCode.VerificationFailed, $"property {property} of the guest is '{text}'");
}
