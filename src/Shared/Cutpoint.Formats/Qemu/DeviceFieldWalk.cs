using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Qemu;

/// <summary>Walks a payload by its description: QEMU migration stream, section 5, "offset rule".</summary>
internal sealed class DeviceFieldWalk(DeviceSection section)
{
    /// <summary>The most fields one device is split into; a payload of numbers up to 1 MiB fits.</summary>
    private const int FieldLimit = 1 << 20;

    /// <summary>The most descriptions visited: stops those that repeat fields without octets.</summary>
    private const int VisitLimit = 1 << 22;

    private readonly ReadOnlyMemory<byte> _payload = section.Payload;
    private readonly List<DeviceField> _fields = [];
    private int _position;
    private int _visits;

    public List<DeviceField> Run(StateDescription state)
    {
        Walk(state, "");
        if (_position != _payload.Length) throw Malformed($"{_payload.Length - _position} octets are not described");
        return _fields;
    }

    private void Walk(StateDescription state, string prefix)
    {
        var next = 0;
        for (var i = 0; i < state.Fields.Count; i++)
        {
            if (++_visits > VisitLimit) throw Malformed("too many fields");
            var field = state.Fields[i];
            // An array described in several entries: QEMU 10 leaves the index off the last element, and gives runs of null and other
            // pointers no index at all.
            var continues = i > 0 && state.Fields[i - 1].Name == field.Name;
            var continued = i + 1 < state.Fields.Count && state.Fields[i + 1].Name == field.Name;
            if (!continues) next = 0;
            if (field.ArrayLength == 0) continue;
            var path = Join(prefix, field.Name);
            if (field.ArrayLength is { } length)
            {
                AddArray(field, path, next, length);
                next += length;
            }
            else if (field.Index is { } index)
            {
                AddElement(field, $"{path}[{index}]");
                next = index + 1;
            }
            else
            {
                AddElement(field, continues || continued ? $"{path}[{next}]" : path);
                next++;
            }
        }

        foreach (var subsection in state.Subsections)
        {
            ReadSubsectionHeader(subsection);
            Walk(subsection, Join(prefix, subsection.Name));
        }
    }

    private void AddArray(FieldDescription field, string path, int first, int length)
    {
        if (field.Size == 0 || (field.Size == 1 && field.State is null))
        {
            AddOctets(path, field.Type, field.WireLength);
            return;
        }

        if (field.WireLength > _payload.Length - _position) throw Overrun(path);
        for (var i = 0; i < length; i++) AddElement(field, $"{path}[{first + i}]");
    }

    private void AddElement(FieldDescription field, string path)
    {
        // A null pointer (QEMU 9.2 and older) is a structure of nothing with one octet.
        var state = field.State is { Fields.Count: 0, Subsections.Count: 0 } ? null : field.State;
        var inner = state?.WireLength ?? field.Size;
        if (state is not null && inner == field.Size)
        {
            Walk(state, path);
            return;
        }

        // A structure's size must be that of its fields. Where QEMU itself describes an array inside wrongly, the structure stays whole.
        if (inner != field.Size && field.Type == "struct" && !state!.HasStructureArray)
            throw Malformed($"{path} has {field.Size} octets, its fields {inner}");
        AddOctets(path, field.Type, field.Size);
    }

    private void AddOctets(string path, string type, long size)
    {
        if (size > _payload.Length - _position) throw Overrun(path);
        if (_fields.Count == FieldLimit) throw Malformed($"more than {FieldLimit} fields");
        _fields.Add(new DeviceField(path, type, _position, _payload.Slice(_position, (int)size)));
        _position += (int)size;
    }

    private void ReadSubsectionHeader(StateDescription subsection)
    {
        var length = StateDescription.SubsectionHeaderLength(subsection.Name);
        if (length > _payload.Length - _position) throw Overrun(subsection.Name);
        var header = _payload.Span.Slice(_position, length);
        if (header[0] != QemuWire.Subsection || header[1] != length - 6 || !header[2..^4].SequenceEqual(Encoding.UTF8.GetBytes(subsection.Name)))
            throw Malformed($"expected the subsection {subsection.Name}");
        var version = BinaryPrimitives.ReadInt32BigEndian(header[^4..]);
        if (version != subsection.Version)
            throw Malformed($"subsection {subsection.Name} of version {version} is described as {subsection.Version}");
        _position += length;
    }

    private static string Join(string prefix, string name) => prefix.Length == 0 ? name : $"{prefix}.{name}";

    private MalformedInputException Overrun(string path) => Malformed($"{path} reaches beyond the payload of {_payload.Length} octets");

    private MalformedInputException Malformed(string reason) => new(
        QemuStreamParser.FormatName, section.PayloadOffset + _position, $"device {section}: {reason}", QemuStreamParser.DamagedAdvice);
}
