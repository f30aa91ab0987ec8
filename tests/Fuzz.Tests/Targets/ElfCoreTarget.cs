using System.Buffers;
using System.Buffers.Binary;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Fuzz.Targets;

/// <summary>ELF cores of either class and order of octets: headers, sections, notes.</summary>
public sealed class ElfCoreTarget : FuzzTarget
{
    public override string Name => "elf";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x00], [0x01], [0x02], [0x04], [0x38], [0x40], [0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0x80], [0x7f, 0x45, 0x4c, 0x46], "CORE\0"u8.ToArray()];

    public override void Read(byte[] octets, Random random)
    {
        var core = ElfCoreReader.ReadAsync(new MemoryStream(octets), CancellationToken.None).GetAwaiter().GetResult();
        foreach (var segment in core.Segments)
            if (segment.FileLength > 0) _ = octets.AsSpan((int)segment.FileOffset, (int)segment.FileLength)[^1];
        foreach (var note in core.Notes) _ = VmCoreInfo.Number(note, "phys_base");
        _ = VmCoreInfo.Read(octets, random.Next(2) == 0);
    }

    protected override IEnumerable<byte[]> Golden()
    {
        yield return GoldenFiles.Of("Elf", "linux-7.2-page.elf.gz").Single();
        foreach (var @class in Enum.GetValues<ElfClass>())
        {
            yield return Write(new ElfTarget(ElfMachine.Arm, @class, false), 2);
            yield return Write(new ElfTarget(ElfMachine.Arm, @class, true), 2);
        }
        yield return WithSectionHeader(Write(new ElfTarget(ElfMachine.X86Bits64, ElfClass.Bits64, false), 2));
    }

    /// <summary>The number of program headers in a section header, where only files with very many of them have it.</summary>
    private static byte[] WithSectionHeader(byte[] core)
    {
        var octets = core.Concat(new byte[64]).ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(octets.AsSpan(core.Length + 44), 3);
        BinaryPrimitives.WriteInt64LittleEndian(octets.AsSpan(40), core.Length);
        new byte[] { 0xff, 0xff, 64, 0, 1, 0 }.CopyTo(octets, 56);
        return octets;
    }

    private static byte[] Write(ElfTarget target, int mappings)
    {
        DumpRange[] memory = [new(0x1000, 64)];
        var layout = new ElfCoreLayout(
            target, [new("CORE", 1, new byte[144]), new(VmCoreInfo.NoteName, 0, "NUMBER(phys_base)=-4096\n"u8.ToArray())], memory,
            [.. Enumerable.Range(0, mappings).Select(i => new MemoryMapping(0x1000, (ulong)i << 12, 64))]);
        var output = new ArrayBufferWriter<byte>();
        layout.WriteHead(output);
        output.Write(new byte[64]);
        return output.WrittenSpan.ToArray();
    }
}
