using System.Buffers.Binary;
using System.Numerics;

namespace Cutpoint.Formats.Ber;

/// <summary>Contents octets of INTEGER (X.690, 8.3): two's complement, most significant octet first, shortest form.</summary>
internal static class BerInteger
{
    /// <summary>2^64-1 needs nine octets; nothing longer is taken.</summary>
    public const int MaxLength = 9;

    public static int Measure(long value) => (BitOperations.Log2(((ulong)(value ^ (value >> 63)) << 1) | 1) >> 3) + 1;

    public static int Measure(ulong value) => value >> 63 == 0 ? Measure((long)value) : MaxLength;

    public static void Write(Span<byte> destination, long value, int length)
    {
        for (var index = length - 1; index >= 0; index--, value >>= 8) destination[index] = (byte)value;
    }

    public static void Write(Span<byte> destination, ulong value, int length)
    {
        if (length < MaxLength)
        {
            Write(destination, (long)value, length);
            return;
        }

        destination[0] = 0;
        BinaryPrimitives.WriteUInt64BigEndian(destination[1..], value);
    }

    /// <summary>Reads a value between -2^63 and 2^64-1.</summary>
    /// <param name="contents">Contents octets.</param>
    /// <param name="offset">Where they start in the input.</param>
    /// <param name="strict">False takes contents whose first nine bits are equal, which X.690 8.3.2 forbids.</param>
    public static Int128 Read(ReadOnlySpan<byte> contents, long offset, bool strict = true)
    {
        if (contents.IsEmpty) BerError.Throw(offset, "INTEGER without contents");
        if (contents.Length > MaxLength) BerError.Throw(offset, $"INTEGER of {contents.Length} octets; at most {MaxLength} are taken");
        if (strict && !IsShortest(contents))
            BerError.Throw(offset, "INTEGER that is not in its shortest form: its first nine bits are equal");
        var first = (long)(sbyte)contents[0];
        if (contents.Length == MaxLength && first != 0) BerError.Throw(offset, "INTEGER outside of -2^63 to 2^64-1");
        var low = (ulong)first;
        foreach (var octet in contents[1..]) low = (low << 8) | octet;
        return new Int128((ulong)(first >> 63), low);
    }

    /// <summary>False when the first nine bits are equal.</summary>
    public static bool IsShortest(ReadOnlySpan<byte> contents) =>
        contents.Length == 1 || contents[0] != (byte)((sbyte)contents[1] >> 7);
}
