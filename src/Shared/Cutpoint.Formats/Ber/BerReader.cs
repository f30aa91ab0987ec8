using System.Buffers;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Reads BER values from a stream, token by token, in constant memory: one buffer, whatever the input claims. Takes every form X.690
/// allows: definite and indefinite lengths at any level, lengths that are not minimal, tag numbers to 32 bits. Not thread safe.
/// </summary>
/// <remarks>
/// Only <see cref="Read"/> and <see cref="ReadFragment"/> and their asynchronous forms touch the stream. All errors in the input are
/// <see cref="MalformedInputException"/>.
/// </remarks>
public sealed class BerReader : IDisposable
{
    /// <summary>Constructed values inside each other that are taken; real files reach 7.</summary>
    public const int MaxDepth = 64;

    /// <summary>Primitive values of up to this many octets are buffered whole, see <see cref="Contents"/>.</summary>
    public const int MaxBufferedLength = 64 << 10;

    private const int Capacity = 4 * MaxBufferedLength;

    private readonly Stream? _stream;
    private readonly byte[]? _rented;
    private ReadOnlyMemory<byte> _buffer;
    private int _next;
    private int _filled;
    private long _bufferOffset;
    private bool _atEndOfInput;

    // Per open value: where it ends, or BerHeader.Indefinite; and the nearest definite end outside of it.
    private readonly (BerTag Tag, long Offset, long End, long Limit)[] _open = new (BerTag, long, long, long)[MaxDepth];
    private long _limit = long.MaxValue;
    private long _contentRest;
    private int _contentStart;
    private int _contentLength;

    /// <summary>Reads from a stream, which stays open. Octets behind the values read may be consumed as well.</summary>
    /// <param name="source">Where the values come from.</param>
    /// <param name="offset">Where the stream stands in the input; used in errors and offsets.</param>
    public BerReader(Stream source, long offset = 0)
    {
        ArgumentNullException.ThrowIfNull(source);
        _stream = source;
        _bufferOffset = offset;
        _buffer = _rented = ArrayPool<byte>.Shared.Rent(Capacity);
    }

    /// <summary>Reads from memory, which must not change meanwhile.</summary>
    /// <param name="source">The whole input.</param>
    public BerReader(ReadOnlyMemory<byte> source)
    {
        _buffer = source;
        _filled = source.Length;
        _atEndOfInput = true;
    }

    /// <summary>What the reader stands on.</summary>
    public BerToken Token { get; private set; }

    /// <summary>Header of the current value; at <see cref="BerToken.End"/> only its tag is set.</summary>
    public BerHeader Header { get; private set; }

    /// <summary>Tag of the current value.</summary>
    public BerTag Tag => Header.Tag;

    /// <summary>Position of the current value's first identifier octet; at <see cref="BerToken.End"/> that of the closing octets.</summary>
    public long Offset { get; private set; }

    /// <summary>Position of the next octet: behind the header of a constructed value, behind what was read of a primitive.</summary>
    public long Position => _bufferOffset + _next;

    /// <summary>Number of constructed values that are open.</summary>
    public int Depth { get; private set; }

    /// <summary>True when the current value is primitive and no longer than <see cref="MaxBufferedLength"/>: it is in the buffer.</summary>
    public bool IsBuffered => Token == BerToken.Primitive && Header.ContentLength <= MaxBufferedLength;

    /// <summary>
    /// Contents of the current primitive value when <see cref="IsBuffered"/>; after <see cref="ReadFragment"/> the piece it went to.
    /// Belongs to the reader; valid until its next call that reads.
    /// </summary>
    public ReadOnlySpan<byte> Contents => _buffer.Span.Slice(_contentStart, _contentLength);

    /// <summary>Goes to the next token; what is unread of the current one is passed over.</summary>
    /// <returns>False at the end of the input, which is legal only behind a complete value.</returns>
    /// <exception cref="MalformedInputException">The input is not BER, too deep, or ends early.</exception>
    public bool Read()
    {
        while (!TryAdvance())
        {
            if (!Prepare()) return false;
            Filled(_stream!.Read(_rented!, _filled, _rented!.Length - _filled));
        }

        return true;
    }

    /// <inheritdoc cref="Read"/>
    /// <param name="cancellationToken">Cancels the wait for the stream.</param>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken = default) =>
        TryAdvance() ? new ValueTask<bool>(true) : FillAndReadAsync(cancellationToken);

    /// <summary>
    /// Goes to the next piece of the current primitive value's contents: how values of any length are read. The piece is in
    /// <see cref="Contents"/>.
    /// </summary>
    /// <returns>False when the contents are at their end.</returns>
    /// <exception cref="MalformedInputException">The input ends inside of the value.</exception>
    public bool ReadFragment()
    {
        if (_contentRest == 0) return false;
        while (_next == _filled)
        {
            Prepare();
            Filled(_stream!.Read(_rented!, _filled, _rented!.Length - _filled));
        }

        TakeFragment();
        return true;
    }

    /// <inheritdoc cref="ReadFragment"/>
    /// <param name="cancellationToken">Cancels the wait for the stream.</param>
    public async ValueTask<bool> ReadFragmentAsync(CancellationToken cancellationToken = default)
    {
        if (_contentRest == 0) return false;
        while (_next == _filled)
        {
            Prepare();
            Filled(await _stream!.ReadAsync(_rented.AsMemory(_filled), cancellationToken).ConfigureAwait(false));
        }

        TakeFragment();
        return true;
    }

    /// <summary>The current INTEGER, between -2^63 and 2^64-1.</summary>
    public Int128 GetInteger() => BerInteger.Read(Expect(BerTag.Integer), Offset + Header.HeaderLength);

    /// <summary>The current INTEGER within bounds.</summary>
    /// <param name="what">Name of the field; used in errors.</param>
    /// <param name="max">The greatest value that is taken.</param>
    public ulong GetUnsigned(string what, ulong max = ulong.MaxValue)
    {
        var value = GetInteger();
        if (value < 0 || value > max) BerError.Throw(Offset, $"{what} is {value}, outside of 0 to {max}");
        return (ulong)value;
    }

    /// <summary>The current BOOLEAN; any octet but zero is true.</summary>
    public bool GetBoolean()
    {
        var contents = Expect(BerTag.Boolean);
        if (contents.Length != 1) BerError.Throw(Offset, $"BOOLEAN of {contents.Length} octets");
        return contents[0] != 0;
    }

    /// <summary>Gives the buffer back. The stream stays open.</summary>
    public void Dispose()
    {
        if (_rented is null || _buffer.IsEmpty) return;
        _buffer = default;
        _next = _filled = 0;
        _atEndOfInput = true;
        ArrayPool<byte>.Shared.Return(_rented);
    }

    private ReadOnlySpan<byte> Expect(BerTag tag)
    {
        if (Token != BerToken.Primitive || Tag != tag) BerError.Throw(Offset, $"{tag} expected, found {Describe()}");
        if (!IsBuffered) BerError.Throw(Offset, $"{tag} of {Header.ContentLength} octets");
        return Contents;
    }

    private string Describe() => Token == BerToken.End ? $"the end of {Tag}" : Tag.ToString();

    private async ValueTask<bool> FillAndReadAsync(CancellationToken cancellationToken)
    {
        do
        {
            if (!Prepare()) return false;
            Filled(await _stream!.ReadAsync(_rented.AsMemory(_filled), cancellationToken).ConfigureAwait(false));
        }
        while (!TryAdvance());
        return true;
    }

    private bool TryAdvance()
    {
        if (_contentRest > 0)
        {
            var passed = (int)Math.Min(_contentRest, _filled - _next);
            _next += passed;
            _contentRest -= passed;
            if (_contentRest > 0) return false;
        }

        if (Depth > 0 && _open[Depth - 1].End == Position) return Close(0);
        var window = _buffer.Span[_next.._filled];
        var room = _limit - Position;
        if (window.Length > room) window = window[..(int)room];
        if (!BerHeader.TryRead(window, out var header, Position))
        {
            if (window.Length == room) BerError.Throw(Position, $"the header runs past the end of {_open[Depth - 1].Tag}");
            return false;
        }

        if (header.IsEndOfContents)
        {
            if (Depth == 0) BerError.Throw(Position, "end-of-contents outside of any value");
            if (_open[Depth - 1].End != BerHeader.Indefinite)
                BerError.Throw(Position, $"end-of-contents inside of {_open[Depth - 1].Tag}, whose length is definite");
            return Close(header.HeaderLength);
        }

        if (!header.IsIndefinite && header.TotalLength > room)
            BerError.Throw(Position, $"{header.Tag} of {header.ContentLength} octets runs past the value that contains it");
        if (header.IsConstructed)
        {
            if (Depth == MaxDepth) BerError.Throw(Position, $"more than {MaxDepth} values inside each other");
            var start = Position;
            _next += header.HeaderLength;
            var end = header.IsIndefinite ? BerHeader.Indefinite : Position + header.ContentLength;
            _open[Depth++] = (header.Tag, start, end, _limit);
            if (!header.IsIndefinite) _limit = end;
            return Stand(BerToken.Start, header, start);
        }

        var buffered = header.ContentLength <= MaxBufferedLength;
        if (buffered && window.Length < header.TotalLength) return false;
        var offset = Position;
        _next += header.HeaderLength;
        _contentStart = _next;
        _contentLength = buffered ? (int)header.ContentLength : 0;
        _contentRest = header.ContentLength;
        return Stand(BerToken.Primitive, header, offset);
    }

    private bool Close(int octets)
    {
        var offset = Position;
        _next += octets;
        var (tag, _, _, limit) = _open[--Depth];
        _limit = limit;
        return Stand(BerToken.End, new BerHeader(tag, true, octets, 0), offset);
    }

    private bool Stand(BerToken token, BerHeader header, long offset)
    {
        Token = token;
        Header = header;
        Offset = offset;
        return true;
    }

    private void TakeFragment()
    {
        _contentStart = _next;
        _contentLength = (int)Math.Min(_contentRest, _filled - _next);
        _next += _contentLength;
        _contentRest -= _contentLength;
    }

    // Makes room in the buffer. False when the input is at its end and may be.
    private bool Prepare()
    {
        if (_atEndOfInput)
        {
            if (_contentRest > 0) BerError.ThrowTruncated(_bufferOffset + _filled, $"{Tag} at offset {Offset}");
            if (Depth > 0) BerError.ThrowTruncated(_bufferOffset + _filled, $"{_open[Depth - 1].Tag} at offset {_open[Depth - 1].Offset}");
            if (_next < _filled) BerError.ThrowTruncated(_bufferOffset + _filled, $"the value at offset {Position}");
            Stand(BerToken.None, default, Position);
            return false;
        }

        var rest = _filled - _next;
        if (rest > 0) _rented.AsSpan(_next, rest).CopyTo(_rented);
        _bufferOffset += _next;
        _next = 0;
        _filled = rest;
        return true;
    }

    private void Filled(int count)
    {
        _filled += count;
        if (count == 0) _atEndOfInput = true;
    }
}
