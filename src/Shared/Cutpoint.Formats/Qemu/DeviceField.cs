using System.Buffers.Binary;
using System.Globalization;

namespace Cutpoint.Formats.Qemu;

/// <summary>One field of a device's state with its value.</summary>
/// <param name="Path">
/// Where it is: names joined by dots, array elements in brackets, subsections by their full name: "env.segs[1].base",
/// "cpu/poll_control_msr.env.poll_control_msr".
/// </param>
/// <param name="Type">QEMU's name of the wire type.</param>
/// <param name="Offset">Octets from the start of the payload.</param>
/// <param name="Octets">The field on the wire; a slice of the payload.</param>
public readonly record struct DeviceField(string Path, string Type, int Offset, ReadOnlyMemory<byte> Octets)
{
    /// <summary>The most octets <see cref="ToText"/> spells out.</summary>
    private const int ShownOctets = 32;

    /// <summary>Octets on the wire.</summary>
    public int Size => Octets.Length;

    /// <summary>True for a number of 1, 2, 4 or 8 octets, truth values and timers included.</summary>
    public bool IsInteger => Size == IntegerSize(Type) && Size != 0;

    /// <summary>True for a number that can be negative.</summary>
    public bool IsSigned => IsInteger && (Type.StartsWith("int", StringComparison.Ordinal) || Type == "timer");

    /// <summary>The number as it is on the wire, extended by zeros.</summary>
    /// <exception cref="InvalidOperationException">The field is not a number.</exception>
    public ulong ToUInt64() => !IsInteger ? throw new InvalidOperationException($"{Path} of type {Type} is not a number") : Size switch
    {
        1 => Octets.Span[0],
        2 => BinaryPrimitives.ReadUInt16BigEndian(Octets.Span),
        4 => BinaryPrimitives.ReadUInt32BigEndian(Octets.Span),
        _ => BinaryPrimitives.ReadUInt64BigEndian(Octets.Span),
    };

    /// <summary>The number with its sign.</summary>
    /// <exception cref="InvalidOperationException">The field is not a number.</exception>
    public long ToInt64()
    {
        var value = ToUInt64();
        return !IsSigned ? (long)value : Size switch
        {
            1 => (sbyte)value,
            2 => (short)value,
            4 => (int)value,
            _ => (long)value,
        };
    }

    /// <summary>
    /// The value for people: numbers as decimals when signed and as hex digits otherwise, anything else as its first octets.
    /// </summary>
    public string ToText()
    {
        if (!IsInteger)
        {
            var shown = Convert.ToHexStringLower(Octets.Span[..Math.Min(Size, ShownOctets)]);
            return Size > ShownOctets ? string.Create(CultureInfo.InvariantCulture, $"{shown}… ({Size} octets)") : shown;
        }

        if (Type == "bool") return ToUInt64() == 0 ? "false" : "true";
        if (Type == "timer" && ToInt64() == -1) return "not armed";
        return IsSigned ? ToInt64().ToString(CultureInfo.InvariantCulture) : "0x" + ToUInt64().ToString("x", CultureInfo.InvariantCulture);
    }

    // "equal" and "le" (less or equal) are checks the loader makes; the wire format is that of the bare type.
    private static int IntegerSize(string type) => type switch
    {
        "bool" or "int8" or "uint8" or "int8 equal" or "uint8 equal" => 1,
        "int16" or "uint16" or "int16 equal" or "uint16 equal" => 2,
        "int32" or "uint32" or "int32 equal" or "uint32 equal" or "int32 le" => 4,
        "int64" or "uint64" or "int64 equal" or "uint64 equal" or "timer" or "CPU_Double_U" => 8,
        _ => 0,
    };
}
