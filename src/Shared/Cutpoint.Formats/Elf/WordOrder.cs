using System.Buffers.Binary;

namespace Cutpoint.Formats.Elf;

/// <summary>Reads and writes numbers in the order of octets a dump has.</summary>
internal readonly record struct WordOrder(bool IsBigEndian)
{
    public ushort Get16(ReadOnlySpan<byte> at) => IsBigEndian ? BinaryPrimitives.ReadUInt16BigEndian(at) : BinaryPrimitives.ReadUInt16LittleEndian(at);

    public uint Get32(ReadOnlySpan<byte> at) => IsBigEndian ? BinaryPrimitives.ReadUInt32BigEndian(at) : BinaryPrimitives.ReadUInt32LittleEndian(at);

    public ulong Get64(ReadOnlySpan<byte> at) => IsBigEndian ? BinaryPrimitives.ReadUInt64BigEndian(at) : BinaryPrimitives.ReadUInt64LittleEndian(at);

    public void Put16(Span<byte> at, ushort value)
    {
        if (IsBigEndian) BinaryPrimitives.WriteUInt16BigEndian(at, value);
        else BinaryPrimitives.WriteUInt16LittleEndian(at, value);
    }

    public void Put32(Span<byte> at, uint value)
    {
        if (IsBigEndian) BinaryPrimitives.WriteUInt32BigEndian(at, value);
        else BinaryPrimitives.WriteUInt32LittleEndian(at, value);
    }

    public void Put64(Span<byte> at, ulong value)
    {
        if (IsBigEndian) BinaryPrimitives.WriteUInt64BigEndian(at, value);
        else BinaryPrimitives.WriteUInt64LittleEndian(at, value);
    }
}
