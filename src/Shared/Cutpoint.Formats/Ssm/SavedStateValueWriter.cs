using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Writes typed values into the unit in hand: saved state format, section G. Every value is one item of data, little endian, without tag or padding. What a
/// structure's check refuses is kept and raised by every later call, as the format's own calls do. Not safe for concurrent use.
/// </summary>
public sealed partial class SavedStateValueWriter
{
    /// <summary>Octets a text may have.</summary>
    public const int MaxTextLength = 1 << 20;

    private readonly SavedStateWriter _writer;
    private readonly SavedStateHost _host = SavedStateHost.Own;
    private SavedStateException? _fault;

    /// <summary>Writes through a writer, which stays the caller's.</summary>
    public SavedStateValueWriter(SavedStateWriter writer)
    {
        _writer = writer;
        _host = SavedStateHost.Of(writer.Header);
    }

    /// <summary>1 octet.</summary>
    public void PutBoolean(bool value) => PutUInt8(value ? (byte)1 : (byte)0);

    /// <summary>1 octet.</summary>
    public void PutUInt8(byte value) => PutMemory([value]);

    /// <summary>1 octet.</summary>
    public void PutInt8(sbyte value) => PutUInt8((byte)value);

    /// <summary>2 octets; also I/O ports and selectors.</summary>
    public void PutUInt16(ushort value)
    {
        Span<byte> octets = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(octets, value);
        PutMemory(octets);
    }

    /// <summary>2 octets.</summary>
    public void PutInt16(short value) => PutUInt16((ushort)value);

    /// <summary>4 octets; also raw-mode pointers, and guest-physical addresses of 32 bits.</summary>
    public void PutUInt32(uint value)
    {
        Span<byte> octets = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(octets, value);
        PutMemory(octets);
    }

    /// <summary>4 octets.</summary>
    public void PutInt32(int value) => PutUInt32((uint)value);

    /// <summary>8 octets; also guest-physical addresses of 64 bits.</summary>
    public void PutUInt64(ulong value)
    {
        Span<byte> octets = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(octets, value);
        PutMemory(octets);
    }

    /// <summary>8 octets.</summary>
    public void PutInt64(long value) => PutUInt64((ulong)value);

    /// <summary>16 octets, the low half first.</summary>
    public void PutUInt128(UInt128 value)
    {
        Span<byte> octets = stackalloc byte[2 * sizeof(ulong)];
        BinaryPrimitives.WriteUInt128LittleEndian(octets, value);
        PutMemory(octets);
    }

    /// <summary>16 octets, the low half first.</summary>
    public void PutInt128(Int128 value) => PutUInt128((UInt128)value);

    /// <summary>A guest-physical address, as wide as the header says.</summary>
    public void PutGuestPhysical(ulong value) => PutSized(value, _host.GuestPhysicalSize, SavedStateStatus.GuestPhysicalOverflow);

    /// <summary>A guest pointer or an integer of that width, as wide as the header says.</summary>
    public void PutGuestPointer(ulong value) => PutSized(value, _host.GuestPointerSize, SavedStateStatus.GuestPointerOverflow);

    /// <summary>A text: its length in 4 octets, then UTF-8.</summary>
    /// <exception cref="SavedStateException">It is longer than <see cref="MaxTextLength"/>; nothing is written then.</exception>
    public void PutText(string value)
    {
        var octets = Encoding.UTF8.GetBytes(value);
        if (octets.Length > MaxTextLength)
            throw new SavedStateException(SavedStateStatus.TooMuchData, _writer.Offset, $"a text of {octets.Length} octets, at most {MaxTextLength} are allowed");
        PutUInt32((uint)octets.Length);
        PutMemory(octets);
    }

    /// <summary>Octets without a length.</summary>
    public void PutMemory(ReadOnlySpan<byte> octets)
    {
        if (_fault is not null) throw _fault;
        _writer.Write(octets);
    }

    private void PutSized(ulong value, int size, SavedStateStatus overflow)
    {
        if (size == sizeof(ulong)) PutUInt64(value);
        else if (value <= uint.MaxValue) PutUInt32((uint)value);
        else throw new SavedStateException(overflow, _writer.Offset, $"{value:x} does not fit into {size} octets");
    }
}
