using System.Buffers;

namespace Cutpoint.Formats.Elf;

/// <summary>The headers of an ELF core field by field, for both classes and both orders of octets.</summary>
internal readonly struct ElfFields(ElfTarget target)
{
    public const int IdentityLength = 16;
    public const int CoreType = 4;
    public const int LoadType = 1;
    public const int NoteType = 4;

    private const int CurrentVersion = 1;

    public static ReadOnlySpan<byte> Magic => [0x7f, (byte)'E', (byte)'L', (byte)'F'];

    public int HeaderLength => target.Is64Bit ? 64 : 52;

    public int ProgramHeaderLength => target.Is64Bit ? 56 : 32;

    public int SectionHeaderLength => target.Is64Bit ? 64 : 40;

    private WordOrder Order => target.Order;

    public void WriteHeader(IBufferWriter<byte> output, long programHeaders, ushort count, long sectionHeader)
    {
        Span<byte> at = stackalloc byte[HeaderLength];
        at.Clear();
        Magic.CopyTo(at);
        at[4] = (byte)target.Class;
        at[5] = (byte)(target.IsBigEndian ? 2 : 1);
        at[6] = CurrentVersion;
        Order.Put16(at[16..], CoreType);
        Order.Put16(at[18..], (ushort)target.Machine);
        Order.Put32(at[20..], CurrentVersion);
        if (target.Is64Bit)
        {
            Order.Put64(at[32..], (ulong)programHeaders);
            Order.Put64(at[40..], (ulong)sectionHeader);
        }
        else
        {
            Order.Put32(at[28..], (uint)programHeaders);
            Order.Put32(at[32..], (uint)sectionHeader);
        }
        var sizes = at[(HeaderLength - 12)..];
        Order.Put16(sizes, (ushort)HeaderLength);
        Order.Put16(sizes[2..], (ushort)ProgramHeaderLength);
        Order.Put16(sizes[4..], count);
        if (sectionHeader != 0)
        {
            Order.Put16(sizes[6..], (ushort)SectionHeaderLength);
            Order.Put16(sizes[8..], 1);
        }
        output.Write(at);
    }

    public void WriteNoteHeader(IBufferWriter<byte> output, long offset, long length) =>
        WriteProgramHeader(output, NoteType, offset, 0, 0, (ulong)length, (ulong)length);

    public void WriteLoadHeader(IBufferWriter<byte> output, ElfSegment segment) =>
        WriteProgramHeader(
            output, LoadType, segment.FileLength == 0 ? -1 : segment.FileOffset, segment.Virtual, segment.Physical, segment.FileLength, segment.Length);

    public void WriteSectionHeader(IBufferWriter<byte> output, uint count)
    {
        Span<byte> at = stackalloc byte[SectionHeaderLength];
        at.Clear();
        Order.Put32(at[(target.Is64Bit ? 44 : 28)..], count);
        output.Write(at);
    }

    /// <summary>The fields of the ELF header that say where program headers and section headers are.</summary>
    public (ushort Type, ulong ProgramHeaders, ulong SectionHeaders, ushort EntryLength, ushort Count, ushort SectionCount) ReadHeader(ReadOnlySpan<byte> at)
    {
        var sizes = at[(HeaderLength - 12)..];
        return (
            Order.Get16(at[16..]),
            target.Is64Bit ? Order.Get64(at[32..]) : Order.Get32(at[28..]),
            target.Is64Bit ? Order.Get64(at[40..]) : Order.Get32(at[32..]),
            Order.Get16(sizes[2..]), Order.Get16(sizes[4..]), Order.Get16(sizes[8..]));
    }

    public (uint Type, ulong Offset, ulong Virtual, ulong Physical, ulong FileLength, ulong Length) ReadProgramHeader(ReadOnlySpan<byte> at) => target.Is64Bit
        ? (Order.Get32(at), Order.Get64(at[8..]), Order.Get64(at[16..]), Order.Get64(at[24..]), Order.Get64(at[32..]), Order.Get64(at[40..]))
        : (Order.Get32(at), Order.Get32(at[4..]), Order.Get32(at[8..]), Order.Get32(at[12..]), Order.Get32(at[16..]), Order.Get32(at[20..]));

    public (uint Type, ulong Offset, ulong Length) ReadSectionHeader(ReadOnlySpan<byte> at) => target.Is64Bit
        ? (Order.Get32(at[4..]), Order.Get64(at[24..]), Order.Get64(at[32..]))
        : (Order.Get32(at[4..]), Order.Get32(at[16..]), Order.Get32(at[20..]));

    /// <summary>The number of program headers in section header 0.</summary>
    public uint ReadCount(ReadOnlySpan<byte> sectionHeader) => Order.Get32(sectionHeader[(target.Is64Bit ? 44 : 28)..]);

    private void WriteProgramHeader(IBufferWriter<byte> output, uint type, long offset, ulong address, ulong physical, ulong fileLength, ulong length)
    {
        Span<byte> at = stackalloc byte[ProgramHeaderLength];
        at.Clear();
        Order.Put32(at, type);
        if (target.Is64Bit)
        {
            Order.Put64(at[8..], (ulong)offset);
            Order.Put64(at[16..], address);
            Order.Put64(at[24..], physical);
            Order.Put64(at[32..], fileLength);
            Order.Put64(at[40..], length);
        }
        else
        {
            Order.Put32(at[4..], (uint)offset);
            Order.Put32(at[8..], (uint)address);
            Order.Put32(at[12..], (uint)physical);
            Order.Put32(at[16..], (uint)fileLength);
            Order.Put32(at[20..], (uint)length);
        }
        output.Write(at);
    }
}
