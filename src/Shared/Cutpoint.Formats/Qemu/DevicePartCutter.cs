using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Cuts the device part into sections. Sections have no length, so the description, which stands at the very end, is found and read first:
/// QEMU migration stream, sections 4 and 5.
/// </summary>
internal sealed class DevicePartCutter(QemuStreamOptions options)
{
    public QemuDevicePart Cut(IEnumerable<QemuStreamParser.DeviceRegion> early, QemuStreamParser.DeviceRegion devices)
    {
        var devicesStart = devices.Start;
        var sections = devices.Octets.Octets;
        var end = FindDescription(sections.Span);
        var isOwn = end >= 0;
        var description = isOwn
            ? VmDescription.Parse(sections[(end + DescriptionHeaderLength)..], devicesStart + end + DescriptionHeaderLength)
            : options.Description ?? throw Malformed(
                devicesStart + sections.Length, "the stream ends without a description of its devices",
                "it was cut short, or QEMU ran with suppress-vmdesc; then pass the description of another stream of the same machine");

        // The end mark stands in front of the description, or at the very end.
        sections = sections[..(isOwn ? end : sections.Length)];
        if (sections.IsEmpty || sections.Span[^1] != EndOfStream)
            throw Malformed(devicesStart + Math.Max(0, sections.Length - 1), "no end mark behind the devices");
        var cut = new List<DeviceSection>();
        foreach (var region in early) new Region(region.Octets.Octets, region.Start, true, description, isOwn, cut).Cut();
        new Region(sections[..^1], devicesStart, false, description, isOwn, cut).Cut();
        if (isOwn && cut.Count != description.Devices.Count)
            throw Malformed(devicesStart + sections.Length, $"device {description.Devices[cut.Count].Name} is described but not there");
        return new QemuDevicePart(cut, description, isOwn);
    }

    // Octet 06 cannot occur in JSON, so nothing but the length itself can be taken for the mark, and then the brace is missing.
    private static int FindDescription(ReadOnlySpan<byte> octets)
    {
        for (var end = octets.Length; octets[..end].LastIndexOf(QemuWire.Description) is >= 0 and var at; end = at)
        {
            var length = octets.Length - at - DescriptionHeaderLength;
            if (length < 2) continue;
            if (length > VmDescription.LengthLimit) break;
            var claimed = BinaryPrimitives.ReadUInt32BigEndian(octets[(at + 1)..]);
            if (claimed == length && octets[at + DescriptionHeaderLength] == (byte)'{') return at;
        }

        return -1;
    }

    private static MalformedInputException Malformed(long offset, string reason, string advice = QemuStreamParser.DamagedAdvice) =>
        new(QemuStreamParser.FormatName, offset, reason, advice);

    private sealed class Region(
        ReadOnlyMemory<byte> octets, long start, bool isEarly, VmDescription description, bool isOwn, List<DeviceSection> cut)
    {
        private int _position;

        public void Cut()
        {
            while (_position < octets.Length) cut.Add(CutSection());
        }

        private DeviceSection CutSection()
        {
            var begin = _position;
            var header = new WireCursor(octets.Span[begin..]);
            if (!header.TryRead8(out var type) || !header.TryRead32(out var id) || !header.TryReadName(out var octetsOfName) ||
                !header.TryRead32(out var instance) || !header.TryRead32(out var version)) throw Malformed("a device section is cut short");
            if (type != (byte)QemuSectionKind.Full) throw Malformed($"section type {type:x2} among the devices");
            if (!Utf8.IsValid(octetsOfName)) throw Malformed("a name that is not UTF-8");
            var name = Encoding.UTF8.GetString(octetsOfName);
            var device = Describe(name, instance, version);

            _position = begin + header.Position;
            var length = device.State.WireLength;
            if (length > octets.Length - _position || !IsFooter(_position + (int)length, id))
                length = isOwn && device.State.HasStructureArray ? FindEnd(id) : -1;
            if (length < 0) throw Malformed($"device {name}/{instance} does not end where its description does");

            var payload = octets.Slice(_position, (int)length);
            _position += (int)length + FooterLength;
            return new DeviceSection(name, instance, version, id, payload)
            {
                Description = device,
                IsEarly = isEarly,
                StreamOffset = start + begin,
            };
        }

        private DeviceDescription Describe(string name, uint instance, uint version)
        {
            var device = isOwn
                ? cut.Count < description.Devices.Count ? description.Devices[cut.Count] : null
                : description.Devices.FirstOrDefault(d => d.Name == name && d.Instance == instance);
            if (device is null || device.Name != name || device.Instance != instance)
                throw Malformed($"device {name}/{instance} is not described");
            // State without a structure is of a device that saves itself by code; its description has no version.
            if (device.State.Name.Length != 0 && device.State.Version != version)
                throw Malformed($"device {name}/{instance} of version {version} is described as version {device.State.Version}");
            return device;
        }

        private bool IsFooter(int at, uint id) =>
            at <= octets.Length - FooterLength && octets.Span[at] == Footer &&
            BinaryPrimitives.ReadUInt32BigEndian(octets.Span[(at + 1)..]) == id;

        /// <summary>
        /// The payload's length where the description is wrong about it: up to the footer in front of the next device, whose header is
        /// known, or of the end.
        /// </summary>
        private long FindEnd(uint id)
        {
            for (var at = _position; at <= octets.Length - FooterLength; at++)
            {
                var step = octets.Span[at..].IndexOf(Footer);
                if (step < 0) break;
                at += step;
                if (IsFooter(at, id) && IsNextDevice(at + FooterLength)) return at - _position;
            }

            return -1;
        }

        private bool IsNextDevice(int at)
        {
            if (at == octets.Length) return true;
            if (cut.Count + 1 >= description.Devices.Count) return false;
            var next = description.Devices[cut.Count + 1];
            var header = new WireCursor(octets.Span[at..]);
            return header.TryRead8(out var type) && type == (byte)QemuSectionKind.Full && header.TryRead32(out _) &&
                header.TryReadName(out var name) && name.SequenceEqual(Encoding.UTF8.GetBytes(next.Name)) &&
                header.TryRead32(out var instance) && instance == next.Instance;
        }

        private MalformedInputException Malformed(string reason) => DevicePartCutter.Malformed(
            start + _position, reason,
            isOwn ? QemuStreamParser.DamagedAdvice : "pass the description of a stream of the same QEMU version, machine and devices");
    }
}
