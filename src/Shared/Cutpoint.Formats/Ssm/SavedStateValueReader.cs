using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Reads typed values out of the unit in hand: saved state format, section G. The first failure is raised again by every later call until
/// <see cref="Reset"/>; a text too long and an address too wide are not such failures. Not safe for concurrent use.
/// </summary>
public sealed partial class SavedStateValueReader
{
    private readonly SavedStateReader _reader;
    private readonly SavedStateHost _own;
    private SavedStateException? _fault;

    /// <summary>Reads through a reader, which stays the caller's.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="own">The host whose structures are loaded; that of <see cref="SavedStateHost.Own"/> when left out.</param>
    public SavedStateValueReader(SavedStateReader reader, SavedStateHost? own = null)
    {
        _reader = reader;
        _own = own ?? SavedStateHost.Own;
        Saver = SavedStateHost.Of(reader.Header) with { IsMicrosoft32 = _own.IsMicrosoft32 };
    }

    /// <summary>
    /// The host that saved this. Before unit "SSM" has told its system it counts as one like ours; version 1.1 leaves the size of guest pointers to
    /// whoever knows it from elsewhere.
    /// </summary>
    public SavedStateHost Saver { get; set; }

    /// <summary>
    /// The version fields are filtered by. That of the unit in hand unless set; <see cref="uint.MaxValue"/> filters none, which is how a unit that was
    /// sought is read.
    /// </summary>
    public uint? UnitVersion { get; set; }

    /// <summary>Forgets a failure: another unit was gone to.</summary>
    public void Reset() => _fault = null;

    /// <summary>Raises the failure that was kept, if there is one.</summary>
    public void ThrowIfFailed()
    {
        if (_fault is not null) throw _fault;
    }

    /// <summary>1 octet; anything but zero is true.</summary>
    public bool GetBoolean() => GetUInt8() != 0;

    /// <summary>1 octet.</summary>
    public byte GetUInt8()
    {
        Span<byte> octets = stackalloc byte[1];
        GetMemory(octets);
        return octets[0];
    }

    /// <summary>1 octet.</summary>
    public sbyte GetInt8() => (sbyte)GetUInt8();

    /// <summary>2 octets; also I/O ports and selectors.</summary>
    public ushort GetUInt16()
    {
        Span<byte> octets = stackalloc byte[sizeof(ushort)];
        GetMemory(octets);
        return BinaryPrimitives.ReadUInt16LittleEndian(octets);
    }

    /// <summary>2 octets.</summary>
    public short GetInt16() => (short)GetUInt16();

    /// <summary>4 octets; also raw-mode pointers, and guest-physical addresses of 32 bits.</summary>
    public uint GetUInt32()
    {
        Span<byte> octets = stackalloc byte[sizeof(uint)];
        GetMemory(octets);
        return BinaryPrimitives.ReadUInt32LittleEndian(octets);
    }

    /// <summary>4 octets.</summary>
    public int GetInt32() => (int)GetUInt32();

    /// <summary>8 octets; also guest-physical addresses of 64 bits.</summary>
    public ulong GetUInt64()
    {
        Span<byte> octets = stackalloc byte[sizeof(ulong)];
        GetMemory(octets);
        return BinaryPrimitives.ReadUInt64LittleEndian(octets);
    }

    /// <summary>8 octets.</summary>
    public long GetInt64() => (long)GetUInt64();

    /// <summary>16 octets, the low half first.</summary>
    public UInt128 GetUInt128()
    {
        Span<byte> octets = stackalloc byte[2 * sizeof(ulong)];
        GetMemory(octets);
        return BinaryPrimitives.ReadUInt128LittleEndian(octets);
    }

    /// <summary>16 octets, the low half first.</summary>
    public Int128 GetInt128() => (Int128)GetUInt128();

    /// <summary>A guest-physical address of the saver's width.</summary>
    /// <exception cref="SavedStateException">It is wider than this host's (<see cref="SavedStateStatus.GuestPhysicalOverflow"/>).</exception>
    public ulong GetGuestPhysical() => GetSized(Saver.GuestPhysicalSize, _own.GuestPhysicalSize, SavedStateStatus.GuestPhysicalOverflow);

    /// <summary>A guest pointer, or an integer of that width, of the saver's width.</summary>
    /// <exception cref="SavedStateException">It is wider than this host's (<see cref="SavedStateStatus.GuestPointerOverflow"/>).</exception>
    public ulong GetGuestPointer() => GetSized(Saver.GuestPointerSize, _own.GuestPointerSize, SavedStateStatus.GuestPointerOverflow);

    /// <summary>An enumeration, saved as 4 octets.</summary>
    /// <exception cref="SavedStateException">It is none of the values (<see cref="SavedStateStatus.EnumValueOutOfRange"/>).</exception>
    public TEnum GetEnum<TEnum>()
        where TEnum : struct, Enum
    {
        var at = _reader.Offset;
        var number = GetInt32();
        var value = (TEnum)Enum.ToObject(typeof(TEnum), number);
        return Enum.IsDefined(value) ? value : throw Keep(new SavedStateException(SavedStateStatus.EnumValueOutOfRange, at, $"{number} is no {typeof(TEnum).Name}"));
    }

    /// <summary>A text.</summary>
    /// <param name="limit">Octets it must stay below.</param>
    /// <exception cref="SavedStateException">It is not shorter than <paramref name="limit"/>; its length has been read then, its octets not.</exception>
    public string GetText(int limit = SavedStateValueWriter.MaxTextLength + 1)
    {
        var at = _reader.Offset;
        var length = GetUInt32();
        if (length >= limit) throw new SavedStateException(SavedStateStatus.TooMuchData, at, $"a text of {length} octets, fewer than {limit} are allowed");
        var octets = new byte[length];
        GetMemory(octets);
        return Encoding.UTF8.GetString(octets);
    }

    /// <summary>Octets without a length.</summary>
    public void GetMemory(Span<byte> octets)
    {
        if (_fault is not null) throw _fault;
        try
        {
            while (!octets.IsEmpty)
            {
                var count = _reader.Read(octets);
                if (count == 0) throw new SavedStateException(SavedStateStatus.LoadedTooMuch, _reader.Offset, "read beyond the end of the unit");
                octets = octets[count..];
            }
        }
        catch (SavedStateException e) when (e.Status != SavedStateStatus.InvalidState)
        {
            throw Keep(e);
        }
    }

    /// <summary>Passes over octets.</summary>
    public void Skip(long count)
    {
        Span<byte> octets = stackalloc byte[4096];
        for (; count > 0; count -= octets.Length)
        {
            if (count < octets.Length) octets = octets[..(int)count];
            GetMemory(octets);
        }
    }

    private ulong GetSized(int saved, int own, SavedStateStatus overflow)
    {
        var at = _reader.Offset;
        var value = saved == sizeof(uint) ? GetUInt32() : GetUInt64();
        return own == sizeof(ulong) || value <= uint.MaxValue
            ? value
            : throw new SavedStateException(overflow, at, $"{value:x} does not fit into {own} octets");
    }

    private SavedStateException Keep(SavedStateException fault) => _fault ??= fault;
}
