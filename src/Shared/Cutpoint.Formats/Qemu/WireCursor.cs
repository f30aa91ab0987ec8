using System.Buffers.Binary;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Reads big-endian values from a piece of the stream that may end early. When a read returns false, <see cref="Needed"/> says how long
/// the piece must be to get past it.
/// </summary>
internal ref struct WireCursor(ReadOnlySpan<byte> input)
{
    private readonly ReadOnlySpan<byte> _input = input;

    public int Position { get; private set; }

    public int Needed { get; private set; }

    public readonly int Remaining => _input.Length - Position;

    public bool TryRead(int count, out ReadOnlySpan<byte> octets)
    {
        if (Remaining < count)
        {
            Needed = Position + count;
            octets = default;
            return false;
        }

        octets = _input.Slice(Position, count);
        Position += count;
        return true;
    }

    public bool TryRead8(out byte value)
    {
        var read = TryRead(1, out var octets);
        value = read ? octets[0] : default;
        return read;
    }

    public bool TryRead16(out ushort value)
    {
        var read = TryRead(2, out var octets);
        value = read ? BinaryPrimitives.ReadUInt16BigEndian(octets) : default;
        return read;
    }

    public bool TryRead32(out uint value)
    {
        var read = TryRead(4, out var octets);
        value = read ? BinaryPrimitives.ReadUInt32BigEndian(octets) : default;
        return read;
    }

    public bool TryRead64(out ulong value)
    {
        var read = TryRead(8, out var octets);
        value = read ? BinaryPrimitives.ReadUInt64BigEndian(octets) : default;
        return read;
    }

    /// <summary>Reads a length octet and as many octets.</summary>
    public bool TryReadName(out ReadOnlySpan<byte> name)
    {
        name = default;
        return TryRead8(out var length) && TryRead(length, out name);
    }
}
