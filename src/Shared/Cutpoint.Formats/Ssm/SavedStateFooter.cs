using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>The last 32 octets of a saved state of version 2.0: saved state format, section D.5.</summary>
/// <param name="Checksum">The checksum of everything before, or 0 without checksums.</param>
/// <param name="EntryCount">Entries of the directory.</param>
internal readonly record struct SavedStateFooter(uint Checksum, uint EntryCount)
{
    public const int Size = 32;

    private static ReadOnlySpan<byte> Magic => "\nFooter\0"u8;

    /// <summary>Reads a footer at an offset.</summary>
    public static SavedStateFooter Parse(ReadOnlySpan<byte> octets, long offset, bool hasChecksums)
    {
        if (!octets.StartsWith(Magic)) throw Wrong(SavedStateStatus.IntegrityFooter, 0, "no footer: the file is cut short, or something was appended");
        if (!SavedStateChecksum.Holds(octets[..Size], 28)) throw Wrong(SavedStateStatus.IntegrityCrc, 28, "the footer's checksum does not match");
        if (BinaryPrimitives.ReadInt64LittleEndian(octets[8..]) != offset) throw Wrong(SavedStateStatus.IntegrityFooter, 8, "the footer notes another place for itself");
        var footer = new SavedStateFooter(BinaryPrimitives.ReadUInt32LittleEndian(octets[16..]), BinaryPrimitives.ReadUInt32LittleEndian(octets[20..]));
        if (BinaryPrimitives.ReadUInt32LittleEndian(octets[24..]) != 0) throw Wrong(SavedStateStatus.IntegrityFooter, 24, "a reserved field is not zero");
        if (footer.EntryCount > ushort.MaxValue) throw Wrong(SavedStateStatus.IntegrityFooter, 20, $"a directory of {footer.EntryCount} entries");
        if (footer.Checksum != 0 && !hasChecksums) throw Wrong(SavedStateStatus.IntegrityFooter, 16, "a checksum where the header promises none");
        return footer;

        SavedStateException Wrong(SavedStateStatus status, int at, string reason) => new(status, offset + at, reason);
    }

    /// <summary>Writes a footer at an offset.</summary>
    public void Write(Span<byte> octets, long offset)
    {
        octets[..Size].Clear();
        Magic.CopyTo(octets);
        BinaryPrimitives.WriteInt64LittleEndian(octets[8..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[16..], Checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[20..], EntryCount);
        SavedStateChecksum.Put(octets[..Size], 28);
    }
}
