using System.Numerics;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Identifier and length octets of one BER value (X.690, 8.1.2 and 8.1.3). Tags are up to 32 bits wide, lengths up to 8 octets.
/// </summary>
/// <param name="Tag">Class and number.</param>
/// <param name="IsConstructed">True when the contents are BER values themselves.</param>
/// <param name="HeaderLength">Octets of identifier and length together.</param>
/// <param name="ContentLength">Octets of contents, or <see cref="Indefinite"/>.</param>
public readonly record struct BerHeader(BerTag Tag, bool IsConstructed, int HeaderLength, long ContentLength)
{
    /// <summary>The content length of a value that is closed by two zero octets instead of being counted.</summary>
    public const long Indefinite = -1;

    /// <summary>No header is longer: six identifier octets (32-bit tag) and nine length octets.</summary>
    public const int MaxLength = 15;

    /// <summary>The longest contents a header can announce here: header and contents together stay below 2^63 octets.</summary>
    public const long MaxContentLength = long.MaxValue - MaxLength;

    private const byte ConstructedBit = 0x20;
    private const byte NumberBits = 0x1f;
    private const byte ClassBits = 0xc0;
    private const byte MoreBit = 0x80;
    private const byte IndefiniteOctet = 0x80;
    private const byte ReservedLengthOctet = 0xff;
    private const int MaxLengthOctets = 8;

    /// <summary>True when the contents are closed by two zero octets.</summary>
    public bool IsIndefinite => ContentLength == Indefinite;

    /// <summary>True for the two zero octets that close a value of indefinite length.</summary>
    public bool IsEndOfContents => Tag == BerTag.EndOfContents;

    /// <summary>Octets of header and contents together, for a value of definite length.</summary>
    /// <exception cref="InvalidOperationException">The length is indefinite.</exception>
    public long TotalLength => IsIndefinite
        ? throw new InvalidOperationException("A value of indefinite length has no total length.")
        : HeaderLength + ContentLength;

    /// <summary>Reads a header from the start of a buffer. Contents need not be there.</summary>
    /// <param name="source">Octets from the identifier on; <see cref="MaxLength"/> octets are always enough.</param>
    /// <param name="header">The header, when the result is true.</param>
    /// <param name="offset">Where <paramref name="source"/> starts in the input; used in errors.</param>
    /// <returns>False when <paramref name="source"/> ends before the header does.</returns>
    /// <exception cref="MalformedInputException">The octets are not a BER header.</exception>
    public static bool TryRead(ReadOnlySpan<byte> source, out BerHeader header, long offset = 0)
    {
        header = default;
        if (source.IsEmpty) return false;
        var lead = source[0];
        var used = 1;
        uint number = lead & (uint)NumberBits;
        if (number == NumberBits && !TryReadLongNumber(source, offset, ref used, out number)) return false;
        var tag = new BerTag((BerTagClass)(lead & ClassBits), number);
        var constructed = (lead & ConstructedBit) != 0;
        if (!TryReadLength(source, offset, ref used, out var length)) return false;

        if (length == Indefinite && !constructed) BerError.Throw(offset + used - 1, $"primitive {tag} with indefinite length");
        if (tag == BerTag.EndOfContents && (constructed || length != 0))
            BerError.Throw(offset, "tag 0, which is not that of end-of-contents 00 00");
        header = new BerHeader(tag, constructed, used, length);
        return true;
    }

    /// <summary>Octets of the header that <see cref="Write"/> writes.</summary>
    /// <param name="tag">Class and number.</param>
    /// <param name="contentLength">Octets of contents, or <see cref="Indefinite"/>.</param>
    public static int Measure(BerTag tag, long contentLength) => IdentifierLength(tag.Number) + 1 + LongLengthOctets(contentLength);

    /// <summary>Writes a header with the shortest identifier and length octets.</summary>
    /// <param name="destination">At least <see cref="Measure"/> octets; <see cref="MaxLength"/> are always enough.</param>
    /// <param name="tag">Class and number.</param>
    /// <param name="isConstructed">True when the contents are BER values themselves.</param>
    /// <param name="contentLength">Octets of contents, or <see cref="Indefinite"/>, which only constructed values may have.</param>
    /// <returns>The number of octets written.</returns>
    public static int Write(Span<byte> destination, BerTag tag, bool isConstructed, long contentLength)
    {
        if (contentLength == Indefinite && !isConstructed)
            throw new ArgumentException("A primitive value has a definite length.", nameof(contentLength));
        ArgumentOutOfRangeException.ThrowIfLessThan(contentLength, Indefinite);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(contentLength, MaxContentLength);
        var lead = (byte)((byte)tag.Class | (isConstructed ? ConstructedBit : 0));
        var groups = IdentifierLength(tag.Number) - 1;
        destination[0] = (byte)(lead | (groups == 0 ? tag.Number : NumberBits));
        var used = 1;
        for (var group = groups - 1; group >= 0; group--)
            destination[used++] = (byte)(((tag.Number >> (7 * group)) & 0x7f) | (group > 0 ? MoreBit : 0u));

        if (contentLength == Indefinite)
        {
            destination[used++] = IndefiniteOctet;
            return used;
        }

        var octets = LongLengthOctets(contentLength);
        destination[used++] = (byte)(octets == 0 ? contentLength : 0x80 | octets);
        for (var octet = octets - 1; octet >= 0; octet--) destination[used++] = (byte)(contentLength >> (8 * octet));
        return used;
    }

    private static bool TryReadLongNumber(ReadOnlySpan<byte> source, long offset, ref int used, out uint number)
    {
        number = 0;
        for (; ; )
        {
            if (used == source.Length) return false;
            var octet = source[used];
            if (used == 1 && octet == MoreBit) BerError.Throw(offset + used, "tag number with a leading group of zero (80)");
            if (number > uint.MaxValue >> 7) BerError.Throw(offset + used, "tag number of more than 32 bits");
            number = (number << 7) | (octet & 0x7fu);
            used++;
            if ((octet & MoreBit) == 0) break;
        }

        if (number < NumberBits) BerError.Throw(offset + 1, $"tag number {number} in the long form, which starts at 31");
        return true;
    }

    private static bool TryReadLength(ReadOnlySpan<byte> source, long offset, ref int used, out long length)
    {
        length = 0;
        if (used == source.Length) return false;
        var first = source[used];
        if (first < IndefiniteOctet)
        {
            length = first;
            used++;
            return true;
        }

        if (first == IndefiniteOctet)
        {
            length = Indefinite;
            used++;
            return true;
        }

        if (first == ReservedLengthOctet) BerError.Throw(offset + used, "reserved length octet ff");
        var octets = first & 0x7f;
        if (octets > MaxLengthOctets) BerError.Throw(offset + used, $"length of {octets} octets; at most {MaxLengthOctets} are taken");
        if (used + octets >= source.Length) return false;
        ulong value = 0;
        foreach (var octet in source.Slice(used + 1, octets)) value = (value << 8) | octet;
        if (value > MaxContentLength) BerError.Throw(offset + used, $"length of {value} octets: no input is that long");
        used += 1 + octets;
        length = (long)value;
        return true;
    }

    private static int IdentifierLength(uint number) => number < NumberBits ? 1 : 2 + (BitOperations.Log2(number) / 7);

    private static int LongLengthOctets(long length) =>
        length < 0x80 ? 0 : 1 + (BitOperations.Log2((ulong)length) / 8);
}
