using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Between the octets of a QEMU device and its state as typed items: one item per field, in order. Which items there are follows from the
/// description alone, so that the octets can be rebuilt from the items and the description.
/// </summary>
/// <remarks>
/// <code>
/// int…, uint…, timer, CPU_Double_U   INTEGER, signed as the type is
/// bool                               BOOLEAN; an OCTET STRING should it be neither 0 nor 1
/// struct, vstruct, tmp               SEQUENCE, its subsections last
/// array described once               SEQUENCE of its elements
/// everything else                    OCTET STRING
/// </code>
/// </remarks>
internal static class DeviceStateTree
{
    private const string BooleanType = "bool";

    // The file, its list of sections and the section are open around a state.
    private const int FirstLevel = 4;

    /// <summary>The items of a device's state; null when the description does not fit the octets or the limits of the format.</summary>
    public static BerItem.Group? TryBuild(DeviceSection device)
    {
        if (device is not { IsDescribed: true, Description.State: { Name.Length: > 0 } description }) return null;
        var builder = new Builder(device.Payload);
        if (builder.Build(description, FirstLevel) is not { } state || !builder.IsAtEnd) return null;
        return IsCpuCommon(device, state) ? state with { Tag = BerSnapshot.CpuCommon } : state;
    }

    /// <summary>Rebuilds the octets of a device.</summary>
    /// <param name="state">Its items.</param>
    /// <param name="description">The description they were made by.</param>
    /// <param name="offset">Where the state stands in the input; used in errors.</param>
    /// <exception cref="MalformedInputException">Items and description do not fit each other.</exception>
    public static ReadOnlyMemory<byte> Encode(BerItem.Group state, DeviceDescription description, long offset)
    {
        var length = description.State.WireLength;
        var encoder = new Encoder($"{description.Name}/{description.Instance}", offset, length);
        encoder.Encode(state, description.State);
        return encoder.Octets;
    }

    // The typed state has room for two integers alone; with subsections it is a plain one.
    private static bool IsCpuCommon(DeviceSection device, BerItem.Group state) =>
        device.Name == "cpu_common" && state is { Items: [BerItem.Number, BerItem.Number], Subsections.Count: 0 };

    private static (int Size, bool IsSigned)? Integer(string type) => type switch
    {
        "int8" => (1, true),
        "int16" => (2, true),
        "int32" or "int32 equal" or "int32 le" => (4, true),
        "int64" or "int64 equal" => (8, true),
        "uint8" or "uint8 equal" => (1, false),
        "uint16" or "uint16 equal" => (2, false),
        "uint32" or "uint32 equal" => (4, false),
        "uint64" or "uint64 equal" or "timer" or "CPU_Double_U" => (8, false),
        _ => null,
    };

    private static bool IsNumeric(FieldDescription field) =>
        field.Type == BooleanType ? field.Size == 1 : Integer(field.Type) is { } integer && integer.Size == field.Size;

    // Arrays of opaque single octets, and of nothing, are one string.
    private static bool IsArray(FieldDescription field) =>
        field.ArrayLength is not null && field.Size > 0 && (field.Size > 1 || IsNumeric(field) || Inner(field) is not null);

    // The layout inside of a field, where QEMU describes it rightly: a null pointer is described as a structure of nothing with one octet.
    private static StateDescription? Inner(FieldDescription field) =>
        field.State is { } state && state.Fields.Count + state.Subsections.Count > 0 && state.WireLength == field.Size ? state : null;

    private sealed class Builder(ReadOnlyMemory<byte> payload)
    {
        private int _position;
        private int _items;

        public bool IsAtEnd => _position == payload.Length;

        public BerItem.Group? Build(StateDescription state, int level)
        {
            if (level > BerWriter.MaxDepth) return null;
            var items = new List<BerItem>(state.Fields.Count);
            foreach (var field in state.Fields)
            {
                if (BuildField(field, level) is not { } item) return null;
                items.Add(item);
            }

            var subsections = new List<BerSubsection>(state.Subsections.Count);
            foreach (var subsection in state.Subsections)
            {
                if (!PassHeader(subsection) || Build(subsection, level + 3) is not { } inner) return null;
                subsections.Add(new BerSubsection(subsection.Name, (uint)subsection.Version, inner));
            }

            return new BerItem.Group(BerTag.Sequence, items, subsections);
        }

        private BerItem? BuildField(FieldDescription field, int level)
        {
            if (field.WireLength > payload.Length - _position) return null;
            if (!IsArray(field)) return field.ArrayLength is null ? BuildElement(field, level) : Take(field.WireLength);
            if (level == BerWriter.MaxDepth || field.ArrayLength > BerSnapshot.MaxStateItems - _items) return null;
            var elements = new List<BerItem>(field.ArrayLength!.Value);
            for (var index = 0; index < field.ArrayLength; index++)
            {
                if (BuildElement(field, level + 1) is not { } element) return null;
                elements.Add(element);
            }

            return new BerItem.Group(BerTag.Sequence, elements, []);
        }

        private BerItem? BuildElement(FieldDescription field, int level)
        {
            if (++_items > BerSnapshot.MaxStateItems) return null;
            if (Inner(field) is { } inner) return Build(inner, level + 1);
            var octets = Take(field.Size);
            return IsNumeric(field) ? Number(field, octets) : octets;
        }

        private static BerItem Number(FieldDescription field, BerItem.Buffer octets)
        {
            var wire = octets.Octets.Span;
            if (field.Type == BooleanType) return wire[0] <= 1 ? new BerItem.Flag(wire[0] == 1) : octets;
            var isSigned = Integer(field.Type)!.Value.IsSigned;
            Int128 value = isSigned ? (sbyte)wire[0] : wire[0];
            foreach (var octet in wire[1..]) value = (value << 8) | octet;
            return new BerItem.Number(new BerStateInteger(value));
        }

        private BerItem.Buffer Take(long length)
        {
            var octets = payload.Slice(_position, (int)length);
            _position += (int)length;
            return new BerItem.Buffer(octets);
        }

        private bool PassHeader(StateDescription subsection)
        {
            var expected = SubsectionHeader.Of(subsection.Name, (uint)subsection.Version);
            if (expected is null || !payload.Span[_position..].StartsWith(expected)) return false;
            _position += expected.Length;
            return true;
        }
    }

    private sealed class Encoder
    {
        private readonly string _device;
        private readonly long _offset;
        private readonly ArrayBufferWriter<byte> _octets;
        private readonly long _length;

        public Encoder(string device, long offset, long length)
        {
            _device = device;
            _offset = offset;
            _length = length;
            if (length > BerSnapshot.MaxStateLength)
                throw Misfit($"{length} octets are described; at most {BerSnapshot.MaxStateLength} are taken");
            _octets = new ArrayBufferWriter<byte>((int)Math.Max(length, 1));
        }

        public ReadOnlyMemory<byte> Octets =>
            _octets.WrittenCount == _length ? _octets.WrittenMemory : throw Misfit($"{_octets.WrittenCount} octets of {_length}");

        public void Encode(BerItem.Group state, StateDescription description)
        {
            if (state.Items.Count != description.Fields.Count)
                throw Misfit($"{state.Items.Count} items in '{description.Name}', which has {description.Fields.Count} fields");
            if (state.Subsections.Count != description.Subsections.Count)
                throw Misfit($"{state.Subsections.Count} subsections in '{description.Name}', which has {description.Subsections.Count}");
            for (var index = 0; index < state.Items.Count; index++) EncodeField(state.Items[index], description.Fields[index]);
            for (var index = 0; index < state.Subsections.Count; index++)
            {
                var (subsection, expected) = (state.Subsections[index], description.Subsections[index]);
                if (subsection.Name != expected.Name || subsection.VersionId != (uint)expected.Version)
                    throw Misfit($"subsection '{subsection.Name}' version {subsection.VersionId} where '{expected.Name}' is described");
                var header = SubsectionHeader.Of(expected.Name, subsection.VersionId);
                Write(header ?? throw Misfit($"the name of subsection '{expected.Name}' is too long"));
                Encode(subsection.State, expected);
            }
        }

        private void EncodeField(BerItem item, FieldDescription field)
        {
            if (!IsArray(field))
            {
                if (field.ArrayLength is null) EncodeElement(item, field);
                else WriteBuffer(item, field, field.WireLength);
                return;
            }

            if (item is not BerItem.Group { Subsections.Count: 0 } array || array.Items.Count != field.ArrayLength) throw Misfit(field);
            foreach (var element in array.Items) EncodeElement(element, field);
        }

        private void EncodeElement(BerItem item, FieldDescription field)
        {
            if (Inner(field) is { } inner)
            {
                if (item is not BerItem.Group group) throw Misfit(field);
                Encode(group, inner);
                return;
            }

            switch (item)
            {
                case BerItem.Flag flag when field is { Type: BooleanType, Size: 1 }:
                    Write([flag.Value ? (byte)1 : (byte)0]);
                    break;
                case BerItem.Number number when field.Type != BooleanType && IsNumeric(field):
                    WriteNumber(number.Value.Value, field);
                    break;
                default:
                    WriteBuffer(item, field, field.Size);
                    break;
            }
        }

        private void WriteNumber(Int128 value, FieldDescription field)
        {
            var bits = 8 * field.Size;
            var isSigned = Integer(field.Type)!.Value.IsSigned;
            var min = isSigned ? -(Int128.One << (bits - 1)) : 0;
            var max = (Int128.One << (isSigned ? bits - 1 : bits)) - 1;
            if (value < min || value > max) throw Misfit($"field '{field.Name}' is {value}, outside of {field.Type}");
            Span<byte> wire = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64BigEndian(wire, unchecked((ulong)value));
            Write(wire[^field.Size..]);
        }

        private void WriteBuffer(BerItem item, FieldDescription field, long length)
        {
            if (item is not BerItem.Buffer buffer || buffer.Octets.Length != length) throw Misfit(field);
            Write(buffer.Octets.Span);
        }

        // The descriptions bound nothing once they lie about their sizes: the length was limited before, and is not exceeded here.
        private void Write(ReadOnlySpan<byte> octets)
        {
            if (octets.Length > _length - _octets.WrittenCount) throw Misfit($"more octets than the {_length} that are described");
            _octets.Write(octets);
        }

        private MalformedInputException Misfit(FieldDescription field) =>
            Misfit($"field '{field.Name}' is not a {field.Type} of {field.Size} octets");

        private MalformedInputException Misfit(string reason) =>
            BerError.Create(_offset, $"the state of {_device} does not fit its description: {reason}");
    }

    private static class SubsectionHeader
    {
        private const int MaxNameLength = byte.MaxValue;

        public static byte[]? Of(string name, uint version)
        {
            var octets = Encoding.UTF8.GetBytes(name);
            if (octets.Length > MaxNameLength) return null;
            byte[] header = [QemuWire.Subsection, (byte)octets.Length, .. octets, 0, 0, 0, 0];
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(^4..), version);
            return header;
        }
    }
}
