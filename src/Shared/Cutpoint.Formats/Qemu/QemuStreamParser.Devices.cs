using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <content>
/// The parts without lengths, held until the description is in: QEMU migration stream, section 4. Devices stand behind the memory; a few,
/// whose state decides which
/// memory there is (virtio-mem), in front of its first round.
/// </content>
public sealed partial class QemuStreamParser
{
    private readonly List<DeviceRegion> _early = [];
    private DeviceRegion _devices = new();
    private bool _hasRounds;

    /// <summary>Device sections back to back, and where they stand in the stream.</summary>
    internal sealed class DeviceRegion
    {
        public OctetBuffer Octets { get; } = new();

        public long Start { get; init; }
    }

    private bool StepEarlyDevices(ref WireCursor cursor)
    {
        // Nothing says where they end. But what follows their last footer is known octet by octet but for one section number, and the
        // description checks it later.
        var held = _early[^1].Octets;
        var start = cursor;
        cursor.TryRead(cursor.Remaining, out var input);
        var taken = input.Length;
        for (var at = 0; input[at..].IndexOf(Footer) is >= 0 and var step; at++)
        {
            at += step;
            var isFrame = IsFrame(input[at..]);
            if (isFrame == false) continue;
            // Undecided: everything in front is the devices', the rest waits for more.
            if (isFrame is null && at == 0) return cursor.TryRead(1, out _);
            taken = isFrame == true ? at + FooterLength : at;
            if (isFrame == true) _state = State.Section;
            break;
        }

        cursor = start;
        cursor.TryRead(taken, out input);
        Hold(held, input);
        return true;
    }

    /// <summary>
    /// True for a footer with the start or a round of something else behind it, null while there are too few octets to tell.
    /// </summary>
    private bool? IsFrame(ReadOnlySpan<byte> octets)
    {
        var cursor = new WireCursor(octets);
        if (!cursor.TryRead(FooterLength, out _) || !cursor.TryRead8(out var type)) return null;
        switch (type)
        {
            case (byte)QemuSectionKind.Start:
                if (!cursor.TryRead32(out _) || !cursor.TryReadName(out var name)) return null;
                if (KnownVersion(name) is not { } known) return false;
                return cursor.TryRead32(out var instance) && cursor.TryRead32(out var version) ? instance == 0 && version == known : null;
            case (byte)QemuSectionKind.Part or (byte)QemuSectionKind.End:
                return cursor.TryRead32(out var id) ? _sections.ContainsKey(id) : null;
            case Command:
                return cursor.TryRead(SwitchoverStart.Length, out var command) ? command.SequenceEqual(SwitchoverStart) : null;
            default:
                return false;
        }
    }

    private void BeginDevices(DeviceRegion region)
    {
        if (_blocks.Count == 0) throw Malformed("a stream without memory");
        _devices = region;
        _state = State.Devices;
        _visitor.OnMemoryEnd();
    }

    private bool StepDevices(ref WireCursor cursor)
    {
        cursor.TryRead(cursor.Remaining, out var input);
        Hold(_devices.Octets, input);
        return true;
    }

    private void Hold(OctetBuffer buffer, ReadOnlySpan<byte> input)
    {
        if (input.Length > _options.DeviceStateLimit - _early.Sum(e => e.Octets.Length) - _devices.Octets.Length)
            throw Malformed($"more than {_options.DeviceStateLimit} octets of device state", "raise the limit for such a guest");
        buffer.Append(input);
    }
}
