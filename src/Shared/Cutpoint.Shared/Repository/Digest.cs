using System.Buffers.Binary;

namespace Cutpoint.Repository;

/// <summary>A SHA-256 digest.</summary>
public readonly record struct Digest
{
    /// <summary>Octets of a digest.</summary>
    public const int Length = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <summary>Takes the octets of a digest.</summary>
    /// <param name="octets"><see cref="Length"/> octets.</param>
    public Digest(ReadOnlySpan<byte> octets)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(octets.Length, Length);
        _a = BinaryPrimitives.ReadUInt64BigEndian(octets);
        _b = BinaryPrimitives.ReadUInt64BigEndian(octets[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(octets[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(octets[24..]);
    }

    /// <summary>Writes the octets of the digest.</summary>
    /// <param name="destination">At least <see cref="Length"/> octets.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    /// <summary>The octets of the digest.</summary>
    public byte[] ToArray()
    {
        var octets = new byte[Length];
        CopyTo(octets);
        return octets;
    }

    /// <summary>The digest in hexadecimal, as <c>sha256sum</c> prints it.</summary>
    public override string ToString() => $"{_a:x16}{_b:x16}{_c:x16}{_d:x16}";
}
