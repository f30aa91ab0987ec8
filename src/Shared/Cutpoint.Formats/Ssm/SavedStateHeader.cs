using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>What the beginning of a saved state says: saved state format, sections D.1 and D.10. Immutable.</summary>
public sealed record SavedStateHeader
{
    /// <summary>Octets of a header of version 2.0.</summary>
    public const int Size = 64;

    /// <summary>The bits of a pointer of the host that wrote this, when it does not say.</summary>
    internal const int OwnHostBits = 64;

    internal const int MaxSize = 80;
    internal const int BlockSize = 4096;

    private const int TextSize = 32;
    private const uint FlagChecksums = 1;
    private const uint FlagLive = 2;
    private const int Version1ChecksumAt = 44;

    /// <summary>The version of the format.</summary>
    public SavedStateFormat Format { get; init; } = SavedStateFormat.V20;

    /// <summary>Major version of the program that wrote it.</summary>
    public int Major { get; init; } = 7;

    /// <summary>Minor version of the program that wrote it.</summary>
    public int Minor { get; init; } = 1;

    /// <summary>Build of the program that wrote it.</summary>
    public int Build { get; init; } = 6;

    /// <summary>Revision of that program's sources. Readers refuse 0.</summary>
    public int Revision { get; init; } = 167084;

    /// <summary>Bits of a pointer of the host that wrote it, 32 or 64.</summary>
    public int HostBits { get; init; } = OwnHostBits;

    /// <summary>Octets of a guest-physical address as written, 4 or 8.</summary>
    public int GuestPhysicalSize { get; init; } = 8;

    /// <summary>Octets of a guest pointer as written, 4 or 8; 0 when version 1.1 leaves it open.</summary>
    public int GuestPointerSize { get; init; } = 8;

    /// <summary>Units registered when it was written; for information.</summary>
    public int UnitCount { get; init; }

    /// <summary>True when it carries checksums. Writers of 2.0 always set it.</summary>
    public bool HasChecksums { get; init; } = true;

    /// <summary>True when a live save wrote it.</summary>
    public bool IsLive { get; init; }

    /// <summary>Octets of the file, which versions 1.1 and 1.2 note.</summary>
    internal long FileSize { get; init; }

    /// <summary>The checksum of versions 1.1 and 1.2.</summary>
    internal uint FileChecksum { get; init; }

    /// <summary>Octets of this header.</summary>
    internal int Length => Format == SavedStateFormat.V12 ? MaxSize : Size;

    /// <summary>Where the checksum of versions 1.1 and 1.2 begins: right behind its own field.</summary>
    internal static int FileChecksumStart => Version1ChecksumAt;

    private static ReadOnlySpan<byte> Magic => "\x7FVirtualBox SavedState "u8;

    /// <summary>Octets of the header that begins like this; -1 and -2 for no saved state and a version that is not known.</summary>
    internal static int LengthOf(ReadOnlySpan<byte> text)
    {
        if (!text.StartsWith(Magic)) return -1;
        return FormatOf(text[Magic.Length..TextSize]) switch
        {
            null => -2,
            SavedStateFormat.V12 => MaxSize,
            _ => Size,
        };
    }

    /// <summary>Reads a header up to where the footer of a file is due to be checked; <see cref="CheckWriter"/> does the rest.</summary>
    internal static SavedStateHeader Parse(ReadOnlySpan<byte> octets)
    {
        var header = FormatOf(octets[Magic.Length..TextSize]) == SavedStateFormat.V20 ? ParseVersion2(octets) : ParseVersion1(octets);
        return header;
    }

    /// <summary>The writer's version and sizes, after everything else.</summary>
    internal void CheckWriter()
    {
        if (Format == SavedStateFormat.V11) return;
        if (Major is < 1 or > 1000 || Minor > 1000 || Build is < 0 or > 1048576 || Revision is < 1 or > 10_000_000)
        {
            throw new SavedStateException(
                SavedStateStatus.IntegrityProgramVersion, TextSize, $"version {Major}.{Minor}.{Build} revision {Revision} is implausible");
        }
        if (HostBits is not (32 or 64)) throw new SavedStateException(SavedStateStatus.IntegrityHeader, 44, $"{HostBits} host bits");
        if (GuestPhysicalSize is not (4 or 8)) throw new SavedStateException(SavedStateStatus.IntegrityHeader, 45, $"{GuestPhysicalSize} octets of guest-physical address");
        if (GuestPointerSize is not (4 or 8)) throw new SavedStateException(SavedStateStatus.IntegrityHeader, 46, $"{GuestPointerSize} octets of guest pointer");
    }

    /// <summary>Writes a header of version 2.0.</summary>
    internal void Write(Span<byte> octets)
    {
        octets[..Size].Clear();
        Magic.CopyTo(octets);
        "V2.0\n"u8.CopyTo(octets[Magic.Length..]);
        BinaryPrimitives.WriteUInt16LittleEndian(octets[32..], (ushort)Major);
        BinaryPrimitives.WriteUInt16LittleEndian(octets[34..], (ushort)Minor);
        BinaryPrimitives.WriteInt32LittleEndian(octets[36..], Build);
        BinaryPrimitives.WriteInt32LittleEndian(octets[40..], Revision);
        octets[44] = (byte)HostBits;
        octets[45] = (byte)GuestPhysicalSize;
        octets[46] = (byte)GuestPointerSize;
        BinaryPrimitives.WriteInt32LittleEndian(octets[48..], UnitCount);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[52..], (HasChecksums ? FlagChecksums : 0) | (IsLive ? FlagLive : 0));
        BinaryPrimitives.WriteInt32LittleEndian(octets[56..], BlockSize);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[60..], Crc32.Append(0, octets[..Size]));
    }

    private static SavedStateFormat? FormatOf(ReadOnlySpan<byte> version) =>
        version[5..].ContainsAnyExcept((byte)0) ? null
        : version.StartsWith("V2.0\n"u8) ? SavedStateFormat.V20
        : version.StartsWith("V1.2\n"u8) ? SavedStateFormat.V12
        : version.StartsWith("V1.1\n"u8) ? SavedStateFormat.V11
        : null;

    private static SavedStateHeader ParseVersion2(ReadOnlySpan<byte> octets)
    {
        if (!SavedStateChecksum.Holds(octets[..Size], 60)) throw new SavedStateException(SavedStateStatus.IntegrityCrc, 60, "the header's checksum does not match");
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(octets[52..]);
        var block = BinaryPrimitives.ReadUInt32LittleEndian(octets[56..]);
        if (octets[47] != 0) throw new SavedStateException(SavedStateStatus.Integrity, 47, "a reserved octet is not zero");
        if ((flags & ~(FlagChecksums | FlagLive)) != 0) throw new SavedStateException(SavedStateStatus.Integrity, 52, $"unknown flags {flags:x}");
        if (block is > BlockSize or < 1024 || (block & 0xFF) != 0) throw new SavedStateException(SavedStateStatus.Integrity, 56, $"blocks of {block} octets");
        return new SavedStateHeader
        {
            Major = BinaryPrimitives.ReadUInt16LittleEndian(octets[32..]),
            Minor = BinaryPrimitives.ReadUInt16LittleEndian(octets[34..]),
            Build = BinaryPrimitives.ReadInt32LittleEndian(octets[36..]),
            Revision = BinaryPrimitives.ReadInt32LittleEndian(octets[40..]),
            HostBits = octets[44],
            GuestPhysicalSize = octets[45],
            GuestPointerSize = octets[46],
            UnitCount = BinaryPrimitives.ReadInt32LittleEndian(octets[48..]),
            HasChecksums = (flags & FlagChecksums) != 0,
            IsLive = (flags & FlagLive) != 0,
        };
    }

    private static SavedStateHeader ParseVersion1(ReadOnlySpan<byte> octets)
    {
        var is12 = FormatOf(octets[Magic.Length..TextSize]) == SavedStateFormat.V12;
        if (octets.Slice(48, 16).ContainsAnyExcept((byte)0))
            throw new SavedStateException(SavedStateStatus.IntegrityMachine, 48, "the machine's identifier is not nil");
        var header = new SavedStateHeader
        {
            Format = is12 ? SavedStateFormat.V12 : SavedStateFormat.V11,
            FileSize = BinaryPrimitives.ReadInt64LittleEndian(octets[32..]),
            FileChecksum = BinaryPrimitives.ReadUInt32LittleEndian(octets[40..]),
            HasChecksums = false,
            Major = 0,
            Minor = 0,
            Build = 0,
            Revision = 0,
            GuestPointerSize = 0,
        };
        return !is12 ? header : header with
        {
            Major = BinaryPrimitives.ReadUInt16LittleEndian(octets[64..]),
            Minor = BinaryPrimitives.ReadUInt16LittleEndian(octets[66..]),
            Build = BinaryPrimitives.ReadInt32LittleEndian(octets[68..]),
            Revision = BinaryPrimitives.ReadInt32LittleEndian(octets[72..]),
            HostBits = octets[76],
            GuestPhysicalSize = octets[77],
            GuestPointerSize = octets[78],
        };
    }
}
