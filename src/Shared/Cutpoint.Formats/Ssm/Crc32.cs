using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>The CRC-32 of zlib: reflected polynomial EDB88320, complemented at start and end.</summary>
internal static class Crc32
{
    private const int Slices = 16;

    /// <summary>Slice k maps an octet to what it is worth k octets further on, so that 16 octets go in at once.</summary>
    private static readonly uint[] Tables = MakeTables();

    /// <summary>The checksum of some octets behind those of <paramref name="crc"/>; 0 is the checksum of none.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> octets)
    {
        var t = Tables;
        crc = ~crc;
        for (; octets.Length >= Slices; octets = octets[Slices..])
        {
            var a = BinaryPrimitives.ReadUInt32LittleEndian(octets) ^ crc;
            var b = BinaryPrimitives.ReadUInt32LittleEndian(octets[4..]);
            var c = BinaryPrimitives.ReadUInt32LittleEndian(octets[8..]);
            var d = BinaryPrimitives.ReadUInt32LittleEndian(octets[12..]);
            crc = t[(15 << 8) | (byte)a] ^ t[(14 << 8) | (byte)(a >> 8)] ^ t[(13 << 8) | (byte)(a >> 16)] ^ t[(12 << 8) | (int)(a >> 24)]
                ^ t[(11 << 8) | (byte)b] ^ t[(10 << 8) | (byte)(b >> 8)] ^ t[(9 << 8) | (byte)(b >> 16)] ^ t[(8 << 8) | (int)(b >> 24)]
                ^ t[(7 << 8) | (byte)c] ^ t[(6 << 8) | (byte)(c >> 8)] ^ t[(5 << 8) | (byte)(c >> 16)] ^ t[(4 << 8) | (int)(c >> 24)]
                ^ t[(3 << 8) | (byte)d] ^ t[(2 << 8) | (byte)(d >> 8)] ^ t[(1 << 8) | (byte)(d >> 16)] ^ t[(int)(d >> 24)];
        }
        foreach (var octet in octets) crc = (crc >> 8) ^ t[(byte)(crc ^ octet)];
        return ~crc;
    }

    private static uint[] MakeTables()
    {
        var tables = new uint[Slices << 8];
        for (var i = 0U; i < 256; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) * 0xEDB88320);
            tables[i] = value;
        }
        for (var i = 256; i < tables.Length; i++) tables[i] = (tables[i - 256] >> 8) ^ tables[(byte)tables[i - 256]];
        return tables;
    }
}
