using System.Buffers.Binary;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// A value of an encrypted pack: salt of its writer, the value in one part, or, of a section, head and payload in two, and the length of the whole, so that the last one is found
/// from the end of the file. Each part has its tag behind it. All that the lengths leave open is checked when the parts are opened.
/// <code>
/// sealed = [APPLICATION 7] { OCTET STRING salt (16), OCTET STRING head, [OCTET STRING payload], OCTET STRING own length (8) }
/// </code>
/// </summary>
/// <param name="Salt">Where the salt is.</param>
/// <param name="Head">Where the first part is, with its tag.</param>
/// <param name="Body">Where the second part is, with its tag; empty when there is none.</param>
/// <param name="Length">Octets of the whole.</param>
internal readonly record struct SealedValue(Range Salt, Range Head, Range Body, int Length)
{
    /// <summary>A sealed value is longer than its contents by no more than this.</summary>
    public const int MaxOverhead = 128;

    /// <summary>Octets at the end of a sealed value that tell its length.</summary>
    public const int TrailerLength = 2 + sizeof(long);

    private const int SaltElementLength = 2 + PackCipher.SaltLength;

    /// <summary>Octets of what the parts hold together.</summary>
    public int PlainLength => PlainLengthOf(Head) + PlainLengthOf(Body);

    /// <summary>Seals a value.</summary>
    /// <param name="cipher">The writer's.</param>
    /// <param name="offset">Where the value will start in the pack.</param>
    /// <param name="head">The first part.</param>
    /// <param name="body">The second part, or nothing.</param>
    /// <param name="destination">At least as long as both parts and <see cref="MaxOverhead"/>.</param>
    /// <returns>Octets of the sealed value.</returns>
    public static int Write(PackCipher cipher, long offset, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, Span<byte> destination)
    {
        var contents = SaltElementLength + ElementLength(head.Length) + (body.IsEmpty ? 0 : ElementLength(body.Length)) + TrailerLength;
        var at = BerHeader.Write(destination, PackFormat.SealedTag, isConstructed: true, contents);
        var length = at + contents;
        at += BerHeader.Write(destination[at..], BerTag.OctetString, isConstructed: false, PackCipher.SaltLength);
        cipher.Salt.CopyTo(destination[at..]);
        at += PackCipher.SaltLength;
        at += WritePart(cipher, offset, 0, length, head, destination[at..]);
        if (!body.IsEmpty) at += WritePart(cipher, offset, 1, length, body, destination[at..]);
        at += BerHeader.Write(destination[at..], BerTag.OctetString, isConstructed: false, sizeof(long));
        BinaryPrimitives.WriteInt64BigEndian(destination[at..], length);
        return length;
    }

    /// <summary>Finds the parts.</summary>
    /// <param name="start">The value from its first octet, at least up to where the second part starts.</param>
    /// <param name="length">Octets of the whole value, as the catalog or the walk has it.</param>
    /// <param name="offset">Where it starts in the pack.</param>
    public static SealedValue Parse(ReadOnlySpan<byte> start, int length, long offset)
    {
        var at = ReadHeader(start, 0, PackFormat.SealedTag, length, offset, out var contents);
        if (at + contents != length) throw PackFormat.Damaged(offset, "the encrypted value has another length");
        var end = length - TrailerLength;
        at = ReadHeader(start, at, BerTag.OctetString, end, offset, out var saltLength);
        if (saltLength != PackCipher.SaltLength) throw PackFormat.Damaged(offset, $"a salt of {saltLength} octets");
        var salt = at..(at + saltLength);
        at = ReadHeader(start, salt.End.Value, BerTag.OctetString, end, offset, out var headLength);
        var head = at..(at + headLength);
        var body = head.End.Value..head.End.Value;
        if (head.End.Value != end)
        {
            at = ReadHeader(start, head.End.Value, BerTag.OctetString, end, offset, out var bodyLength);
            body = at..(at + bodyLength);
        }
        if (body.End.Value != end || headLength < PackCipher.TagLength || (end != head.End.Value && body.End.Value - body.Start.Value < PackCipher.TagLength))
            throw PackFormat.Damaged(offset, "the parts of the encrypted value do not fill it");
        return new SealedValue(salt, head, body, length);
    }

    /// <summary>Opens the first part in its place.</summary>
    public Span<byte> OpenHead(PackCipher cipher, long offset, Span<byte> value) => cipher.Open(offset, 0, Length, value[Head]);

    /// <summary>Opens all parts in their place, and moves the first in front of the second.</summary>
    /// <param name="cipher">The writer's.</param>
    /// <param name="offset">Where the value starts in the pack.</param>
    /// <param name="value">The whole value; its octets are overwritten.</param>
    /// <returns>The plain value; a part of <paramref name="value"/>.</returns>
    public Span<byte> Open(PackCipher cipher, long offset, Span<byte> value)
    {
        var trailer = value[^TrailerLength..];
        if (trailer[0] != 0x04 || trailer[1] != sizeof(long) || BinaryPrimitives.ReadInt64BigEndian(trailer[2..]) != Length)
            throw PackFormat.Damaged(offset, "the encrypted value does not end in its length");
        var head = OpenHead(cipher, offset, value);
        if (Body.Start.Value == Body.End.Value) return head;
        var body = cipher.Open(offset, 1, Length, value[Body]);
        var start = Body.Start.Value - head.Length;
        head.CopyTo(value[start..]);
        return value.Slice(start, head.Length + body.Length);
    }

    private static int WritePart(PackCipher cipher, long offset, int part, int length, ReadOnlySpan<byte> plain, Span<byte> destination)
    {
        var at = BerHeader.Write(destination, BerTag.OctetString, isConstructed: false, plain.Length + PackCipher.TagLength);
        cipher.Seal(offset, part, length, plain, destination[at..]);
        return at + plain.Length + PackCipher.TagLength;
    }

    private static int ElementLength(int plain)
    {
        var contents = plain + PackCipher.TagLength;
        return BerHeader.Measure(BerTag.OctetString, contents) + contents;
    }

    private static int PlainLengthOf(Range part) => Math.Max(0, part.End.Value - part.Start.Value - PackCipher.TagLength);

    /// <summary>Reads the header of an element that has one form only; returns where its contents start.</summary>
    private static int ReadHeader(ReadOnlySpan<byte> value, int at, BerTag tag, int end, long offset, out int contents)
    {
        if (at >= value.Length || !BerHeader.TryRead(value[at..], out var header, offset + at) || header.Tag != tag || header.IsIndefinite
            || header.IsConstructed != (tag == PackFormat.SealedTag) || header.HeaderLength != BerHeader.Measure(tag, header.ContentLength)
            || header.TotalLength > end - at)
        {
            throw PackFormat.Damaged(offset + at, "this is no encrypted value");
        }
        contents = (int)header.ContentLength;
        return at + header.HeaderLength;
    }
}
