using System.Buffers.Binary;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Puts the checksums and the places of a changed saved state right, as whoever writes a hostile one does.</summary>
internal static class SavedStateSeal
{
    private const int HeaderChecksumAt = 60;
    private const int UnitHeaderSize = 44;
    private const int UnitChecksumAt = 20;
    private const int TerminatorSize = 16;
    private const int DirectoryHeaderSize = 16;
    private const int DirectoryEntrySize = 16;
    private const int DirectoryChecksumAt = 8;
    private const int FooterChecksumAt = 28;

    /// <summary>The header's checksum, and the footer's place and checksum: the file counts as whole.</summary>
    public static void Ends(Span<byte> octets)
    {
        if (octets.Length < SavedStateHeader.Size + SavedStateFooter.Size || !octets.StartsWith("\x7FVirtualBox SavedState V2.0"u8)) return;
        SavedStateChecksum.Put(octets[..SavedStateHeader.Size], HeaderChecksumAt);
        var footer = octets[^SavedStateFooter.Size..];
        BinaryPrimitives.WriteInt64LittleEndian(footer[8..], octets.Length - SavedStateFooter.Size);
        SavedStateChecksum.Put(footer, FooterChecksumAt);
    }

    /// <summary>What every saved state begins and ends with, where a change has hit it: most changes do, and would end at the first look otherwise.</summary>
    public static void Frame(Span<byte> octets)
    {
        if (octets.Length < SavedStateHeader.Size + SavedStateFooter.Size || octets.StartsWith("\x7FVirtualBox SavedState V1."u8)) return;
        new SavedStateHeader().Write(octets);
        new SavedStateFooter(Checksum: 1, BinaryPrimitives.ReadUInt32LittleEndian(octets[^12..])).Write(octets[^SavedStateFooter.Size..], octets.Length - SavedStateFooter.Size);
    }

    /// <summary>Everything, as far as one structure leads to the next.</summary>
    /// <exception cref="SavedStateException">A record leads nowhere; everything before it is right.</exception>
    public static void All(Span<byte> octets)
    {
        if (octets.StartsWith("\x7FVirtualBox SavedState V1."u8))
        {
            Version1(octets);
            return;
        }
        Ends(octets);
        if (octets.Length < SavedStateHeader.Size) return;
        var walk = new Walk(octets);
        walk.Pass(SavedStateHeader.Size);
        while (walk.Unit() && walk.Data())
        {
        }
        walk.Directory();
        walk.Footer();
    }

    private static void Version1(Span<byte> octets)
    {
        if (octets.Length < SavedStateHeader.Size) return;
        var length = SavedStateHeader.LengthOf(octets);
        var covered = octets.Length - length;
        if (length < 0 || covered < 0) return;
        BinaryPrimitives.WriteInt64LittleEndian(octets[32..], octets.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[40..], Crc32.Append(0, octets.Slice(SavedStateHeader.FileChecksumStart, covered)));
    }

    private ref struct Walk(Span<byte> octets)
    {
        private readonly Span<byte> _octets = octets;
        private int _at;
        private uint _checksum;
        private uint _entries;

        private readonly Span<byte> Rest => _octets[_at..];

        public void Pass(int count)
        {
            _checksum = Crc32.Append(_checksum, Rest[..count]);
            _at += count;
        }

        /// <summary>A unit's header; false when it is the end or none.</summary>
        public bool Unit()
        {
            var isEnd = Rest.StartsWith("\nTheEnd\0"u8);
            if (Rest.Length < UnitHeaderSize || (!isEnd && !Rest.StartsWith("\nUnit\n\0\0"u8))) return false;
            var size = UnitHeaderSize + (long)BinaryPrimitives.ReadUInt32LittleEndian(Rest[40..]);
            if (size > Rest.Length) return false;
            BinaryPrimitives.WriteInt64LittleEndian(Rest[8..], _at);
            BinaryPrimitives.WriteUInt32LittleEndian(Rest[16..], _checksum);
            SavedStateChecksum.Put(Rest[..(int)size], UnitChecksumAt);
            Pass((int)size);
            return !isEnd;
        }

        /// <summary>A unit's records; false when they do not end.</summary>
        public bool Data()
        {
            var start = _at;
            while (RecordHeader.TryParse(Rest, _at) is { } record && Rest.Length - record.Size >= record.Length)
            {
                if (record.Type != RecordType.Terminator)
                {
                    Pass(record.Size + record.Length);
                    continue;
                }
                if (Rest.Length < TerminatorSize) return false;
                // It covers its own first two octets.
                Pass(2);
                if ((Rest[0] & 1) != 0) BinaryPrimitives.WriteUInt32LittleEndian(Rest[2..], _checksum);
                BinaryPrimitives.WriteInt64LittleEndian(Rest[6..], _at - 2 + TerminatorSize - start);
                Pass(TerminatorSize - 2);
                return true;
            }
            return false;
        }

        public void Directory()
        {
            if (Rest.Length < DirectoryHeaderSize || !Rest.StartsWith("\nDir\n\0\0\0"u8)) return;
            var size = DirectoryHeaderSize + (DirectoryEntrySize * (long)BinaryPrimitives.ReadUInt32LittleEndian(Rest[12..]));
            if (size > Rest.Length) return;
            SavedStateChecksum.Put(Rest[..(int)size], DirectoryChecksumAt);
            _entries = BinaryPrimitives.ReadUInt32LittleEndian(Rest[12..]);
            Pass((int)size);
        }

        public readonly void Footer()
        {
            if (Rest.Length != SavedStateFooter.Size) return;
            BinaryPrimitives.WriteUInt32LittleEndian(Rest[20..], _entries);
            if (BinaryPrimitives.ReadUInt32LittleEndian(Rest[16..]) != 0) BinaryPrimitives.WriteUInt32LittleEndian(Rest[16..], _checksum);
            SavedStateChecksum.Put(Rest, FooterChecksumAt);
        }
    }
}
