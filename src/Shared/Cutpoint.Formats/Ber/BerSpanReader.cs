namespace Cutpoint.Formats.Ber;

/// <summary>
/// Reads BER values that are in memory as a whole, without copying. Takes the same forms as <see cref="BerReader"/>.
/// </summary>
/// <remarks>
/// Entering a value of indefinite length scans its contents once for the closing octets; values of definite length are entered at once.
/// </remarks>
public ref struct BerSpanReader
{
    private readonly ReadOnlySpan<byte> _source;
    private readonly long _offset;
    private readonly int _depth;
    private int _next;

    /// <summary>Creates a reader.</summary>
    /// <param name="source">The values, one behind the other.</param>
    /// <param name="offset">Where they start in the input; used in errors.</param>
    public BerSpanReader(ReadOnlySpan<byte> source, long offset = 0)
        : this(source, offset, 0)
    {
    }

    private BerSpanReader(ReadOnlySpan<byte> source, long offset, int depth)
    {
        _source = source;
        _offset = offset;
        _depth = depth;
        _next = 0;
    }

    /// <summary>True when no value is left.</summary>
    public readonly bool IsAtEnd => _next == _source.Length;

    /// <summary>Position of the next value in the input.</summary>
    public readonly long Position => _offset + _next;

    /// <summary>Header of the next value, which is complete if its length is definite.</summary>
    /// <exception cref="MalformedInputException">There is none, it is not BER, or it runs past the end.</exception>
    public readonly BerHeader Peek()
    {
        var rest = _source[_next..];
        if (rest.IsEmpty) BerError.ThrowTruncated(Position, "a value: another one is expected");
        if (!BerHeader.TryRead(rest, out var header, Position))
            BerError.ThrowTruncated(_offset + _source.Length, $"the header at offset {Position}");
        if (header.IsEndOfContents) BerError.Throw(Position, "end-of-contents where a value is expected");
        if (!header.IsIndefinite && header.TotalLength > rest.Length)
            BerError.ThrowTruncated(_offset + _source.Length, $"{header.Tag} at offset {Position}");
        return header;
    }

    /// <summary>Passes over the next value.</summary>
    /// <returns>Its octets, header and closing octets included.</returns>
    public ReadOnlySpan<byte> ReadValue()
    {
        var start = _next;
        var header = Peek();
        _next += header.HeaderLength + Contents(header, out var closing).Length + closing;
        return _source[start.._next];
    }

    /// <summary>Passes over the next value, which is constructed.</summary>
    /// <param name="tag">The tag it must have.</param>
    /// <returns>A reader of its contents.</returns>
    public BerSpanReader ReadConstructed(BerTag tag)
    {
        var header = Expect(tag, constructed: true);
        if (_depth == BerReader.MaxDepth) BerError.Throw(Position, $"more than {BerReader.MaxDepth} values inside each other");
        var contents = Contents(header, out var closing);
        var inner = new BerSpanReader(contents, Position + header.HeaderLength, _depth + 1);
        _next += header.HeaderLength + contents.Length + closing;
        return inner;
    }

    /// <summary>Reads a primitive value.</summary>
    /// <param name="tag">The tag it must have.</param>
    /// <returns>Its contents: a part of the source.</returns>
    public ReadOnlySpan<byte> ReadPrimitive(BerTag tag)
    {
        var header = Expect(tag, constructed: false);
        var contents = _source.Slice(_next + header.HeaderLength, (int)header.ContentLength);
        _next += (int)header.TotalLength;
        return contents;
    }

    /// <summary>Reads an INTEGER between -2^63 and 2^64-1.</summary>
    public Int128 ReadInteger()
    {
        var contents = ReadPrimitive(BerTag.Integer);
        return BerInteger.Read(contents, Position - contents.Length);
    }

    /// <summary>Reads an INTEGER that must lie within bounds.</summary>
    /// <param name="what">Name of the field; used in errors.</param>
    /// <param name="max">The greatest value that is taken.</param>
    public ulong ReadUnsigned(string what, ulong max = ulong.MaxValue)
    {
        var position = Position;
        var value = ReadInteger();
        if (value < 0 || value > max) BerError.Throw(position, $"{what} is {value}, outside of 0 to {max}");
        return (ulong)value;
    }

    /// <summary>Reads a BOOLEAN; any octet but zero is true.</summary>
    public bool ReadBoolean()
    {
        var position = Position;
        var contents = ReadPrimitive(BerTag.Boolean);
        if (contents.Length != 1) BerError.Throw(position, $"BOOLEAN of {contents.Length} octets");
        return contents[0] != 0;
    }

    /// <summary>Reads an OCTET STRING.</summary>
    /// <returns>Its octets: a part of the source, or a copy when it came in pieces.</returns>
    public ReadOnlySpan<byte> ReadOctetString() => ReadString(BerTag.OctetString);

    /// <summary>Reads a UTF8String.</summary>
    /// <param name="maxLength">Octets that are taken.</param>
    public string ReadUtf8String(int maxLength)
    {
        var position = Position;
        var octets = ReadString(BerTag.Utf8String);
        if (octets.Length > maxLength) BerError.Throw(position, $"text of {octets.Length} octets; at most {maxLength} are taken");
        return BerText.Decode(octets, position);
    }

    private ReadOnlySpan<byte> ReadString(BerTag tag)
    {
        if (!Peek().IsConstructed) return ReadPrimitive(tag);
        var pieces = ReadConstructed(tag);
        var octets = new byte[pieces._source.Length];
        var count = 0;
        while (!pieces.IsAtEnd)
        {
            var piece = pieces.ReadString(pieces.Peek().Tag == tag ? tag : BerTag.OctetString);
            piece.CopyTo(octets.AsSpan(count));
            count += piece.Length;
        }

        return octets.AsSpan(0, count);
    }

    private readonly BerHeader Expect(BerTag tag, bool constructed)
    {
        var header = Peek();
        if (header.Tag != tag || header.IsConstructed != constructed)
        {
            var form = constructed ? "constructed" : "primitive";
            var found = header.IsConstructed ? "constructed" : "primitive";
            BerError.Throw(Position, $"{form} {tag} expected, found {found} {header.Tag}");
        }

        return header;
    }

    // The contents of the next value, and how many octets close it. Walks over a value of indefinite length without recursion.
    private readonly ReadOnlySpan<byte> Contents(BerHeader header, out int closing)
    {
        closing = 0;
        var start = _next + header.HeaderLength;
        if (!header.IsIndefinite) return _source.Slice(start, (int)header.ContentLength);
        closing = 2;
        var limit = _source.Length;
        var ends = new Ends();
        var depth = 1;
        ends[0] = BerHeader.Indefinite;
        var at = start;
        for (; ; )
        {
            var innermost = ends[depth - 1];
            if (innermost == at)
            {
                depth--;
                continue;
            }

            var room = Limit(ends, depth, limit) - at;
            if (!BerHeader.TryRead(_source.Slice(at, (int)room), out var next, _offset + at))
                BerError.ThrowTruncated(_offset + at + room, $"{header.Tag} at offset {Position}");
            if (next.IsEndOfContents)
            {
                if (innermost != BerHeader.Indefinite) BerError.Throw(_offset + at, "end-of-contents inside of a value of definite length");
                if (--depth == 0) return _source[start..at];
                at += next.HeaderLength;
                continue;
            }

            if (!next.IsIndefinite && next.TotalLength > room)
                BerError.Throw(_offset + at, $"{next.Tag} of {next.ContentLength} octets runs past the value that contains it");
            at += next.HeaderLength;
            if (!next.IsConstructed)
            {
                at += (int)next.ContentLength;
                continue;
            }

            if (_depth + depth == BerReader.MaxDepth)
                BerError.Throw(_offset + at, $"more than {BerReader.MaxDepth} values inside each other");
            ends[depth++] = next.IsIndefinite ? BerHeader.Indefinite : at + next.ContentLength;
        }
    }

    private static long Limit(in Ends ends, int depth, int limit)
    {
        for (var level = depth - 1; level >= 0; level--)
        {
            if (ends[level] != BerHeader.Indefinite) return ends[level];
        }

        return limit;
    }

    [System.Runtime.CompilerServices.InlineArray(BerReader.MaxDepth)]
    private struct Ends
    {
        private long _first;
    }
}
