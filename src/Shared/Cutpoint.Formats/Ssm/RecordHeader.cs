namespace Cutpoint.Formats.Ssm;

/// <summary>The octets in front of a record's payload: its type and how many octets follow.</summary>
/// <param name="Type">The type.</param>
/// <param name="IsImportant">Set by every writer; only the terminator must have it.</param>
/// <param name="Length">Octets of payload.</param>
/// <param name="Size">Octets of this header.</param>
internal readonly record struct RecordHeader(RecordType Type, bool IsImportant, int Length, int Size)
{
    /// <summary>The longest header.</summary>
    public const int MaxSize = 7;

    private const byte Important = 0x10;
    private const byte Marker = 0x80;
    private const byte MarkerMask = 0xE0;

    /// <summary>Reads a header; null when it is longer than what is there.</summary>
    /// <exception cref="SavedStateException">It is none.</exception>
    public static RecordHeader? TryParse(ReadOnlySpan<byte> octets, long offset)
    {
        if (octets.IsEmpty) return null;
        var type = (RecordType)(octets[0] & 0x0F);
        if ((octets[0] & MarkerMask) != Marker || type is < RecordType.Terminator or > RecordType.Named)
            throw Wrong($"{octets[0]:x2} is no record");
        if (octets.Length < 2) return null;
        var lead = octets[1];
        // Bit 6 of the lead is not looked at, and the two shorter forms may be longer than needed: so do the readers this format has.
        var count = lead < 0x80 ? 1 : (lead & 0x20) == 0 ? 2 : (lead & 0x10) == 0 ? 3 : (lead & 0x08) == 0 ? 4 : (lead & 0x04) == 0 ? 5 : (lead & 0x02) == 0 ? 6 : 0;
        if (count == 0) throw Wrong($"{lead:x2} begins no length");
        if (octets.Length < 1 + count) return null;
        var length = count == 1 ? lead : lead & (0x7F >> count);
        for (var i = 1; i < count; i++)
        {
            if ((octets[1 + i] & 0xC0) != 0x80) throw Wrong($"{octets[1 + i]:x2} goes on no length");
            length = (length << 6) | (octets[1 + i] & 0x3F);
        }
        var least = count switch { 4 => 0x10000, 5 => 0x200000, 6 => 0x4000000, _ => 0 };
        return length >= least
            ? new RecordHeader(type, (octets[0] & Important) != 0, length, 1 + count)
            : throw Wrong($"a length of {length} in {count} octets");

        SavedStateException Wrong(string reason) => new(SavedStateStatus.IntegrityRecordHeader, offset, reason);
    }

    /// <summary>Writes a header in the shortest form.</summary>
    /// <param name="octets">Where to.</param>
    /// <param name="type">The type.</param>
    /// <param name="length">Octets of payload, up to 65,535.</param>
    /// <returns>Octets written.</returns>
    public static int Write(Span<byte> octets, RecordType type, int length)
    {
        octets[0] = (byte)(Marker | Important | (int)type);
        if (length < 0x80)
        {
            octets[1] = (byte)length;
            return 2;
        }
        if (length < 0x800)
        {
            octets[1] = (byte)(0xC0 | (length >> 6));
            octets[2] = (byte)(0x80 | (length & 0x3F));
            return 3;
        }
        return WriteLong(octets, type, length);
    }

    /// <summary>Writes a header with a length in three octets, whatever it is.</summary>
    public static int WriteLong(Span<byte> octets, RecordType type, int length)
    {
        octets[0] = (byte)(Marker | Important | (int)type);
        octets[1] = (byte)(0xE0 | (length >> 12));
        octets[2] = (byte)(0x80 | ((length >> 6) & 0x3F));
        octets[3] = (byte)(0x80 | (length & 0x3F));
        return 4;
    }
}
