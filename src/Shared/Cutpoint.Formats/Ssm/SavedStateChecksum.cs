using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>Checksums that stand inside of what they cover, where they count as zero.</summary>
internal static class SavedStateChecksum
{
    /// <summary>True when the checksum at a place is that of all octets.</summary>
    public static bool Holds(ReadOnlySpan<byte> octets, int at) =>
        BinaryPrimitives.ReadUInt32LittleEndian(octets[at..]) == Of(octets, at);

    /// <summary>The checksum of all octets, with zeros at a place.</summary>
    public static uint Of(ReadOnlySpan<byte> octets, int at) =>
        Crc32.Append(Crc32.Append(Crc32.Append(0, octets[..at]), [0, 0, 0, 0]), octets[(at + 4)..]);

    /// <summary>Puts the checksum of all octets into its place.</summary>
    public static void Put(Span<byte> octets, int at) => BinaryPrimitives.WriteUInt32LittleEndian(octets[at..], Of(octets, at));
}
