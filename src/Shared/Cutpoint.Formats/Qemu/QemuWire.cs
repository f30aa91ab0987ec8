namespace Cutpoint.Formats.Qemu;

/// <summary>
/// The numbers of a migration stream, once for readers and writers. The same in QEMU 7.2 to 10.x; the file of QEMU's sources each group is a fact of is named.
/// </summary>
internal static class QemuWire
{
    // migration/qemu-file.h, migration/savevm.c: header.
    public const uint Magic = 0x5145564d;
    public const uint Version = 3;

    // migration/multifd.c: what each extra channel starts with.
    public const uint MultifdMagic = 0x11223344;

    // migration/savevm.h: type octets beside those of QemuSectionKind, and what follows some of them.
    public const byte EndOfStream = 0x00;
    public const byte Subsection = 0x05;
    public const byte Description = 0x06;
    public const byte Configuration = 0x07;
    public const byte Command = 0x08;
    public const byte Footer = 0x7e;
    public const int FooterLength = 1 + sizeof(uint);
    public const int DescriptionHeaderLength = 1 + sizeof(uint);

    // migration/savevm.c: parts of the configuration.
    public const string PageBits = "configuration/target-page-bits";
    public const string Capabilities = "configuration/capabilities";
    public const string Uuid = "configuration/uuid";
    public const int UuidLength = 16;
    public const uint ConfigurationPartVersion = 1;

    // migration/ram.c, migration/block-dirty-bitmap.c, migration/block.c: what is sent in rounds.
    public const string Ram = "ram";
    public const uint RamVersion = 4;
    public const string DirtyBitmap = "dirty-bitmap";
    public const uint DirtyBitmapVersion = 1;
    public const string Disk = "block";
    public const uint DiskVersion = 1;

    /// <summary>Low bits of the word in front of a record of RAM: migration/ram.h.</summary>
    public static class RamFlag
    {
        public const ulong Zero = 0x002;
        public const ulong MemorySize = 0x004;
        public const ulong Page = 0x008;
        public const ulong End = 0x010;
        public const ulong Continue = 0x020;
        public const ulong Xbzrle = 0x040;
        public const ulong Hook = 0x080;
        public const ulong CompressedPage = 0x100;
        public const ulong MultifdFlush = 0x200;
    }

    /// <summary>The one encoding there is of XBZRLE pages: migration/ram.c.</summary>
    public const byte XbzrleEncoding = 1;

    /// <summary>Flags of a piece of dirty bitmaps, one, two or four octets long: migration/block-dirty-bitmap.c.</summary>
    public static class BitmapFlag
    {
        public const uint End = 0x01;
        public const uint Zeroes = 0x02;
        public const uint BitmapName = 0x04;
        public const uint NodeName = 0x08;
        public const uint Start = 0x10;
        public const uint Complete = 0x20;
        public const uint Bits = 0x40;

        /// <summary>In the first octet: two octets. In the second: four.</summary>
        public const uint More = 0x80;
        public const uint All = End | Zeroes | BitmapName | NodeName | Start | Complete | Bits;

        public const byte Enabled = 0x01;
        public const byte Persistent = 0x02;
    }

    /// <summary>Low bits of the word in front of a record of disk contents, and its unit: migration/block.c.</summary>
    public static class DiskFlag
    {
        public const ulong Data = 0x01;
        public const ulong End = 0x02;
        public const ulong Progress = 0x04;
        public const ulong Zero = 0x08;
        public const int SectorBits = 9;
        public const int PieceLength = 1 << 20;
    }

    /// <summary>Commands between sections: migration/savevm.c.</summary>
    public static class CommandNumber
    {
        public const ushort OpenReturnPath = 1;
        public const ushort Ping = 2;
        public const ushort PostcopyAdvise = 3;
        public const ushort PostcopyListen = 4;
        public const ushort PostcopyRun = 5;
        public const ushort PostcopyDiscard = 6;
        public const ushort Packaged = 7;
        public const ushort EnableColo = 8;
        public const ushort PostcopyResume = 9;
        public const ushort ReceiveBitmap = 10;
        public const ushort SwitchoverStart = 11;
    }

    /// <summary>Header of a block in a mapped-ram file: migration/ram.c.</summary>
    public static class MappedRam
    {
        public const int HeaderVersion = 1;
        public const int HeaderLength = sizeof(int) + (3 * sizeof(long));
        public const long PagesAlignment = 1 << 20;
    }
}
