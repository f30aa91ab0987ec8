using System.Buffers;
using System.Text;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Writes BER values front to back: constructed values of indefinite or known length, primitives with minimal lengths and contents.
/// Nothing is held back but one buffer of 256 KiB in front of a stream. Not thread safe.
/// </summary>
/// <remarks>
/// Calls out of order are errors of the caller (<see cref="InvalidOperationException"/>). After any exception the output is incomplete.
/// </remarks>
public sealed class BerWriter : IDisposable
{
    /// <summary>Constructed values inside each other; the reader's limit is the same.</summary>
    public const int MaxDepth = BerReader.MaxDepth;

    private readonly IBufferWriter<byte> _destination;
    private readonly BerStreamBuffer? _stream;

    // Where each open value ends, or BerHeader.Indefinite; beside it the first position that no content of it may reach.
    private readonly (long End, long Limit)[] _open = new (long, long)[MaxDepth];
    private long _limit = long.MaxValue;

    /// <summary>Writes into a buffer that the caller owns and empties.</summary>
    /// <param name="destination">Takes the octets.</param>
    public BerWriter(IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        _destination = destination;
    }

    /// <summary>Writes to a stream through a buffer. The stream stays open; the caller flushes at the end.</summary>
    /// <param name="destination">Takes the octets.</param>
    public BerWriter(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        _destination = _stream = new BerStreamBuffer(destination);
    }

    /// <summary>Octets written so far.</summary>
    public long Position { get; private set; }

    /// <summary>Number of constructed values that are open.</summary>
    public int Depth { get; private set; }

    /// <summary>Octets that the open OCTET STRING still lacks, see <see cref="BeginOctetString"/>.</summary>
    public long OpenStringRest { get; private set; }

    /// <summary>
    /// True when an asynchronous caller should await <see cref="FlushAsync"/>; one who does so between values never blocks on the stream
    /// unless a single string is longer than 128 KiB.
    /// </summary>
    public bool ShouldFlush => _stream is { IsHalfFull: true };

    /// <summary>Opens a constructed value.</summary>
    /// <param name="tag">Its tag.</param>
    /// <param name="contentLength">
    /// Octets of its contents when they are known, else <see cref="BerHeader.Indefinite"/>: the value is then closed by two zero octets.
    /// </param>
    public void BeginConstructed(BerTag tag, long contentLength = BerHeader.Indefinite)
    {
        if (Depth == MaxDepth) throw new InvalidOperationException($"More than {MaxDepth} values inside each other.");
        WriteHeader(tag, isConstructed: true, contentLength);
        _open[Depth++] = (contentLength == BerHeader.Indefinite ? contentLength : Position + contentLength, _limit);
        if (contentLength != BerHeader.Indefinite) _limit = Position + contentLength;
    }

    /// <summary>Closes the innermost constructed value.</summary>
    public void EndConstructed()
    {
        RequireNoOpenString();
        if (Depth == 0) throw new InvalidOperationException("No value is open.");
        var (end, limit) = _open[Depth - 1];
        if (end == BerHeader.Indefinite) Append([0, 0]);
        else if (end != Position) throw new InvalidOperationException($"The open value lacks {end - Position} octets of its contents.");
        _limit = limit;
        Depth--;
    }

    /// <summary>Writes a BOOLEAN: ff for true.</summary>
    /// <param name="value">The value.</param>
    public void WriteBoolean(bool value) => WritePrimitive(BerTag.Boolean, [value ? (byte)0xff : (byte)0x00]);

    /// <summary>Writes a NULL.</summary>
    public void WriteNull() => WritePrimitive(BerTag.Null, []);

    /// <summary>Writes an INTEGER in its shortest form. The octets depend on the value alone, not on the type of the argument.</summary>
    /// <param name="value">The value.</param>
    public void WriteInteger(long value)
    {
        Span<byte> contents = stackalloc byte[BerInteger.MaxLength];
        var length = BerInteger.Measure(value);
        BerInteger.Write(contents, value, length);
        WritePrimitive(BerTag.Integer, contents[..length]);
    }

    /// <inheritdoc cref="WriteInteger(long)"/>
    public void WriteInteger(ulong value)
    {
        Span<byte> contents = stackalloc byte[BerInteger.MaxLength];
        var length = BerInteger.Measure(value);
        BerInteger.Write(contents, value, length);
        WritePrimitive(BerTag.Integer, contents[..length]);
    }

    /// <summary>Writes a UTF8String.</summary>
    /// <param name="text">The text, of any length.</param>
    /// <exception cref="EncoderFallbackException">The text holds half of a surrogate pair.</exception>
    public void WriteUtf8String(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        const int OnStack = 3 * 128;
        var contents = text.Length <= OnStack / 3 ? stackalloc byte[OnStack] : new byte[BerText.Strict.GetByteCount(text)];
        WritePrimitive(BerTag.Utf8String, contents[..BerText.Strict.GetBytes(text, contents)]);
    }

    /// <summary>Writes a primitive OCTET STRING.</summary>
    /// <param name="contents">Its octets; copied before the call returns.</param>
    public void WriteOctetString(ReadOnlySpan<byte> contents) => WritePrimitive(BerTag.OctetString, contents);

    /// <summary>Writes a primitive value.</summary>
    /// <param name="tag">Its tag.</param>
    /// <param name="contents">Its contents octets; copied before the call returns.</param>
    public void WritePrimitive(BerTag tag, ReadOnlySpan<byte> contents)
    {
        WriteHeader(tag, isConstructed: false, contents.Length);
        Append(contents);
    }

    /// <summary>
    /// Opens a primitive OCTET STRING whose octets follow by <see cref="WriteContents"/>. It closes by itself when all have come; until
    /// then nothing else can be written.
    /// </summary>
    /// <param name="length">Octets it will have; may exceed 2^31.</param>
    public void BeginOctetString(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        WriteHeader(BerTag.OctetString, isConstructed: false, length);
        OpenStringRest = length;
    }

    /// <summary>Writes further octets of the open OCTET STRING.</summary>
    /// <param name="contents">The next octets; copied before the call returns.</param>
    public void WriteContents(ReadOnlySpan<byte> contents)
    {
        if (contents.Length > OpenStringRest)
            throw new InvalidOperationException($"The open string takes {OpenStringRest} octets more, not {contents.Length}.");
        OpenStringRest -= contents.Length;
        Append(contents);
    }

    /// <summary>
    /// Copies complete BER values, already encoded, into the output. They are not looked at: the caller answers for them.
    /// </summary>
    /// <param name="values">One or more complete values.</param>
    public void WriteEncoded(ReadOnlySpan<byte> values)
    {
        RequireNoOpenString();
        RequireRoom(values.Length);
        Append(values);
    }

    /// <summary>Hands all octets to the stream and flushes it. For a caller's buffer there is nothing to do.</summary>
    public void Flush() => _stream?.Flush();

    /// <inheritdoc cref="Flush"/>
    /// <param name="cancellationToken">Cancels the write; the output is then incomplete.</param>
    public ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
        _stream?.FlushAsync(cancellationToken) ?? ValueTask.CompletedTask;

    /// <summary>Gives the buffer back. What was not flushed is not written: a failed output must not look complete.</summary>
    public void Dispose() => _stream?.Dispose();

    private void WriteHeader(BerTag tag, bool isConstructed, long contentLength)
    {
        RequireNoOpenString();
        Span<byte> header = stackalloc byte[BerHeader.MaxLength];
        var length = BerHeader.Write(header, tag, isConstructed, contentLength);
        RequireRoom(contentLength == BerHeader.Indefinite ? length : length + contentLength);
        Append(header[..length]);
    }

    private void Append(ReadOnlySpan<byte> octets)
    {
        if (octets.Length > _limit - Position) throw new InvalidOperationException("The open value of known length would be overrun.");
        Position += octets.Length;
        while (!octets.IsEmpty)
        {
            var room = _destination.GetSpan();
            var count = Math.Min(room.Length, octets.Length);
            octets[..count].CopyTo(room);
            _destination.Advance(count);
            octets = octets[count..];
        }
    }

    private void RequireRoom(long count)
    {
        if (count > _limit - Position) throw new InvalidOperationException("The open value of known length would be overrun.");
    }

    private void RequireNoOpenString()
    {
        if (OpenStringRest != 0) throw new InvalidOperationException($"The open string lacks {OpenStringRest} octets.");
    }
}
