using System.Text;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Formats.Kdump;

/// <summary>What a kdump file says in its first two headers, version 6. Fields that QEMU leaves zero and no reader needs are not here.</summary>
public sealed record KdumpHeader
{
    internal const int Version = 6;
    internal const int MinBlockSize = 4096;
    internal const int MaxBlockSize = 65536;

    /// <summary>Everything of a class that is to be known before the class is.</summary>
    internal const int MaxLength = 464;

    private const int MachineOffset = 272;
    private const int MachineLength = 65;
    private const int DumpLevel = 1;

    /// <summary>How the fields lie. The machine is not in the file but by name.</summary>
    public required ElfTarget Target { get; init; }

    /// <summary>The architecture's name, as uname tells it.</summary>
    public string MachineName { get; init; } = "";

    /// <summary>The method of those pages that are compressed.</summary>
    public KdumpCompression Compression { get; init; }

    /// <summary>Octets of a page, and of the unit the file's parts are counted in.</summary>
    public int BlockSize { get; init; }

    /// <summary>Blocks of the sub header with the notes.</summary>
    public int SubHeaderBlocks { get; init; }

    /// <summary>Blocks of both bitmaps.</summary>
    public uint BitmapBlocks { get; init; }

    /// <summary>The frame after the last one.</summary>
    public ulong FrameCount { get; init; }

    /// <summary>Processors.</summary>
    public int CpuCount { get; init; }

    /// <summary>Where the kernel lies relative to where it was linked for; negative values wrap.</summary>
    public ulong PhysicalBase { get; init; }

    /// <summary>Where the text of the VMCOREINFO note begins, or 0.</summary>
    public long VmCoreInfoOffset { get; init; }

    /// <summary>Octets of that text.</summary>
    public long VmCoreInfoLength { get; init; }

    /// <summary>Where the notes begin.</summary>
    public long NotesOffset { get; init; }

    /// <summary>Octets of the notes.</summary>
    public long NotesLength { get; init; }

    /// <summary>Octets of the header proper, and of the sub header without notes.</summary>
    internal static (int Header, int SubHeader) Lengths(bool is64Bit) => is64Bit ? (464, 104) : (452, 80);

    internal static ReadOnlySpan<byte> Signature => "KDUMP   "u8;

    /// <summary>Recognises a plain kdump file by its first octets.</summary>
    public static bool Matches(ReadOnlySpan<byte> head) => head.StartsWith(Signature);

    internal void WriteHeader(Span<byte> at)
    {
        var order = Target.Order;
        at.Clear();
        Signature.CopyTo(at);
        order.Put32(at[8..], Version);
        Encoding.ASCII.GetBytes(MachineName, at.Slice(MachineOffset, MachineLength - 1));
        // The time stamp in front of these has the width of the class.
        var fields = at[(Target.Is64Bit ? 424 : 412)..];
        order.Put32(fields, (uint)Compression);
        order.Put32(fields[4..], (uint)BlockSize);
        order.Put32(fields[8..], (uint)SubHeaderBlocks);
        order.Put32(fields[12..], BitmapBlocks);
        order.Put32(fields[16..], (uint)Math.Min(FrameCount, uint.MaxValue));
        order.Put32(fields[36..], (uint)CpuCount);
    }

    internal void WriteSubHeader(Span<byte> at)
    {
        var order = Target.Order;
        at.Clear();
        if (Target.Is64Bit)
        {
            order.Put64(at, PhysicalBase);
            order.Put32(at[8..], DumpLevel);
            order.Put64(at[32..], (ulong)VmCoreInfoOffset);
            order.Put64(at[40..], (ulong)VmCoreInfoLength);
            order.Put64(at[48..], (ulong)NotesOffset);
            order.Put64(at[56..], (ulong)NotesLength);
            order.Put64(at[96..], FrameCount);
            return;
        }
        order.Put32(at, (uint)PhysicalBase);
        order.Put32(at[4..], DumpLevel);
        order.Put64(at[20..], (ulong)VmCoreInfoOffset);
        order.Put32(at[28..], (uint)VmCoreInfoLength);
        order.Put64(at[32..], (ulong)NotesOffset);
        order.Put32(at[40..], (uint)NotesLength);
        order.Put64(at[72..], FrameCount);
    }

    /// <summary>Reads the header proper. The file does not say its class: it is the one in which the sizes make sense.</summary>
    internal static KdumpHeader ReadHeader(ReadOnlySpan<byte> at)
    {
        if (!Matches(at)) throw KdumpError.Create(0, "no kdump file", "name a kdump file");
        var isBigEndian = at[8] == 0;
        var order = new WordOrder(isBigEndian);
        if (order.Get32(at[8..]) is not Version and var version)
            throw KdumpError.Create(8, $"version {version} is not known", $"version {Version} is read: write the dump again with a newer program");
        return ReadFields(at, order, is64Bit: true) ?? ReadFields(at, order, is64Bit: false)
            ?? throw KdumpError.Create(412, "the sizes of the parts make no sense in either class");
    }

    /// <summary>Reads the sub header and completes the header by it.</summary>
    internal KdumpHeader ReadSubHeader(ReadOnlySpan<byte> at)
    {
        var order = Target.Order;
        if (Target.Is64Bit)
        {
            return this with
            {
                PhysicalBase = order.Get64(at),
                VmCoreInfoOffset = (long)order.Get64(at[32..]),
                VmCoreInfoLength = (long)order.Get64(at[40..]),
                NotesOffset = (long)order.Get64(at[48..]),
                NotesLength = (long)order.Get64(at[56..]),
                FrameCount = order.Get64(at[96..]),
            };
        }
        return this with
        {
            PhysicalBase = order.Get32(at),
            VmCoreInfoOffset = (long)order.Get64(at[20..]),
            VmCoreInfoLength = order.Get32(at[28..]),
            NotesOffset = (long)order.Get64(at[32..]),
            NotesLength = order.Get32(at[40..]),
            FrameCount = order.Get64(at[72..]),
        };
    }

    private static KdumpHeader? ReadFields(ReadOnlySpan<byte> at, WordOrder order, bool is64Bit)
    {
        var fields = at[(is64Bit ? 424 : 412)..];
        var (blockSize, subHeaderBlocks, bitmapBlocks) = (order.Get32(fields[4..]), order.Get32(fields[8..]), order.Get32(fields[12..]));
        if (blockSize is < MinBlockSize or > MaxBlockSize || (blockSize & (blockSize - 1)) != 0) return null;
        if (subHeaderBlocks is 0 or > int.MaxValue / MaxBlockSize || bitmapBlocks == 0) return null;
        var name = at.Slice(MachineOffset, MachineLength);
        return new KdumpHeader
        {
            Target = new ElfTarget(default, is64Bit ? ElfClass.Bits64 : ElfClass.Bits32, order.IsBigEndian),
            MachineName = Encoding.Latin1.GetString(name[..(name.IndexOf((byte)0) is >= 0 and var end ? end : name.Length)]),
            Compression = (KdumpCompression)order.Get32(fields),
            BlockSize = (int)blockSize,
            SubHeaderBlocks = (int)subHeaderBlocks,
            BitmapBlocks = bitmapBlocks,
            CpuCount = (int)Math.Min(order.Get32(fields[36..]), int.MaxValue),
        };
    }
}
