using System.Numerics;
using System.Text;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// Writes BER values of definite length from the last octet to the first, so that every length is known when its header is due. Fields are
/// therefore written in reverse order. The caller's buffer must be large enough.
/// </summary>
internal ref struct BackwardWriter(Span<byte> buffer)
{
    /// <summary>Octets of an element that holds a digest.</summary>
    public const int DigestElementLength = 2 + Digest.Length;

    private readonly Span<byte> _buffer = buffer;

    /// <summary>Where the octets written so far start in the buffer; they reach to its end.</summary>
    public int Start { get; private set; } = buffer.Length;

    /// <summary>The octets written so far.</summary>
    public readonly Span<byte> Written => _buffer[Start..];

    /// <summary>Writes an OCTET STRING.</summary>
    public void Octets(scoped ReadOnlySpan<byte> contents)
    {
        contents.CopyTo(Contents(contents.Length));
        Header(BerTag.OctetString, isConstructed: false, Start + contents.Length);
    }

    /// <summary>Writes an INTEGER.</summary>
    public void Integer(ulong value)
    {
        var length = (64 - BitOperations.LeadingZeroCount(value)) / 8 + 1;
        var contents = Contents(length);
        for (var index = length - 1; index >= 0; index--, value >>= 8) contents[index] = (byte)value;
        Header(BerTag.Integer, isConstructed: false, Start + length);
    }

    /// <summary>Writes a UTF8String.</summary>
    public void Text(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        Encoding.UTF8.GetBytes(text, Contents(length));
        Header(BerTag.Utf8String, isConstructed: false, Start + length);
    }

    /// <summary>Makes room for contents octets, which the caller fills.</summary>
    public Span<byte> Contents(int length)
    {
        Start -= length;
        return _buffer.Slice(Start, length);
    }

    /// <summary>Writes the header of the value whose contents are all octets from <see cref="Start"/> to <paramref name="end"/>.</summary>
    public void Header(BerTag tag, bool isConstructed, int end)
    {
        Span<byte> header = stackalloc byte[BerHeader.MaxLength];
        var length = BerHeader.Write(header, tag, isConstructed, end - Start);
        header[..length].CopyTo(Contents(length));
    }

    /// <summary>Writes the header of a SEQUENCE that reaches to <paramref name="end"/>.</summary>
    public void Sequence(int end) => Header(BerTag.Sequence, isConstructed: true, end);
}
