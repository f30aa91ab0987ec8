namespace Cutpoint.Formats.Qemu;

/// <content>
/// The parts without lengths, held until the description is in: QEMU migration stream, section 4. Devices stand behind the memory; a few,
/// whose state decides which
/// memory there is (virtio-mem), in front of its first round.
/// </content>
public sealed partial class QemuStreamParser
{
    private const int FooterLength = 1 + 4;

    /// <summary>The longest frame looked for behind early devices: footer, type, id, name, instance, version.</summary>
    private const int FrameLimit = FooterLength + 1 + 4 + 1 + 12 + 4 + 4;

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
        var held = _early[^1].Octets;
        var searched = Math.Max(0, held.Length - FrameLimit);
        cursor.TryRead(cursor.Remaining, out var input);
        Hold(held, input);

        // Nothing says where they end. But what follows their last footer is known octet by octet but for one section number, and the
        // description checks it later.
        var octets = held.Octets.Span;
        for (var at = searched; octets[at..].IndexOf(FooterMark) is >= 0 and var step; at++)
        {
            at += step;
            if (!IsFrame(octets[at..])) continue;
            var end = at + FooterLength;
            cursor.Return(held.Length - end);
            held.Truncate(end);
            _state = State.Section;
            break;
        }

        return true;
    }

    /// <summary>True for a footer with the start or a round of something else behind it.</summary>
    private bool IsFrame(ReadOnlySpan<byte> octets)
    {
        var cursor = new WireCursor(octets);
        if (!cursor.TryRead(FooterLength, out _) || !cursor.TryRead8(out var type)) return false;
        switch (type)
        {
            case (byte)QemuSectionKind.Start:
                return cursor.TryRead32(out _) && cursor.TryReadName(out var name) && cursor.TryRead32(out var instance) && instance == 0 &&
                    cursor.TryRead32(out var version) &&
                    ((name.SequenceEqual("ram"u8) && version == 4) ||
                    ((name.SequenceEqual("dirty-bitmap"u8) || name.SequenceEqual("block"u8)) && version == 1));
            case (byte)QemuSectionKind.Part or (byte)QemuSectionKind.End:
                return cursor.TryRead32(out var id) && _sections.ContainsKey(id);
            default:
                return type == SwitchoverStart[0] &&
                    cursor.TryRead(SwitchoverStart.Length - 1, out var command) && command.SequenceEqual(SwitchoverStart[1..]);
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
