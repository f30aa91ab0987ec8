using System.Buffers;
using Cutpoint.Formats;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>Layouts QEMU does not make here: both classes, both orders of octets, many program headers, ranges cut out of memory.</summary>
public sealed class Written_cores
{
    private static readonly ElfTarget Pc = new(ElfMachine.X86Bits64, ElfClass.Bits64, false);

    private static readonly ElfNote[] Notes = [new("CORE", 1, new byte[] { 1, 2, 3, 4, 5 }), new("VMCOREINFO", 0, "OSRELEASE=6.1\n"u8.ToArray())];

    private static readonly DumpRange[] Memory = [new(0, 0x3000), new(0x8000, 0x1000), new(0xf000, 0x1000)];

    public static TheoryData<ElfMachine, ElfClass, bool> Targets
    {
        get
        {
            var targets = new TheoryData<ElfMachine, ElfClass, bool>();
            foreach (var isBigEndian in (bool[])[false, true])
            {
                targets.Add(ElfMachine.Arm, ElfClass.Bits32, isBigEndian);
                targets.Add(ElfMachine.Arm64, ElfClass.Bits64, isBigEndian);
            }
            return targets;
        }
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task A_core_of_any_class_and_order_is_read_as_it_was_written(ElfMachine machine, ElfClass @class, bool isBigEndian)
    {
        var target = new ElfTarget(machine, @class, isBigEndian);
        var layout = new ElfCoreLayout(target, Notes, Memory, MemoryMapping.Identity(Memory));

        var core = await ReadAsync(Write(layout));

        Assert.Equal(target, core.Target);
        Assert.Equal(Notes.Select(n => (n.Name, n.Type, Convert.ToHexString(n.Contents.Span))), core.Notes.Select(n => (n.Name, n.Type, Convert.ToHexString(n.Contents.Span))));
        Assert.Equal(layout.Segments, core.Segments);
        Assert.Equal(Memory.Select(m => (m.Address, m.Address, m.Length, m.Length)), core.Segments.Select(s => (s.Physical, s.Virtual, s.Length, s.FileLength)));
        Assert.Equal([layout.MemoryOffset, layout.MemoryOffset + 0x3000, layout.MemoryOffset + 0x4000], core.Segments.Select(s => s.FileOffset));
    }

    [Theory]
    [InlineData(65533, false)]
    [InlineData(65534, true)]
    [InlineData(70000, true)]
    public async Task From_65535_program_headers_on_their_number_is_in_a_section_header(int mappings, bool hasSection)
    {
        var layout = new ElfCoreLayout(Pc, Notes, [new(0, 0x1000)], [.. Enumerable.Range(0, mappings).Select(i => new MemoryMapping(0, (ulong)i << 20, 0x1000))]);
        var octets = Write(layout);

        Assert.Equal(hasSection ? 0xffff : mappings + 1, octets[56] | (octets[57] << 8));
        Assert.Equal(64 + (56L * (mappings + 1)) + (hasSection ? 64 : 0), layout.NotesOffset);
        Assert.Equal(mappings, (await ReadAsync(octets)).Segments.Count);
    }

    [Fact]
    public void A_mapping_has_in_the_file_what_its_range_has()
    {
        var layout = new ElfCoreLayout(Pc, [], Memory, [new(0x2000, 0xffff_8880_0000_2000, 0x4000), new(0x5000, 0, 0x1000), new(0x8800, 0x1_0000, 0x100)]);

        Assert.Equal((layout.MemoryOffset + 0x2000, 0x1000ul), (layout.Segments[0].FileOffset, layout.Segments[0].FileLength));
        Assert.Equal(0ul, layout.Segments[1].FileLength);
        Assert.Equal((layout.MemoryOffset + 0x3800, 0x100ul), (layout.Segments[2].FileOffset, layout.Segments[2].FileLength));
        var octets = Write(layout);
        Assert.Equal(ulong.MaxValue, BitConverter.ToUInt64(octets, 64 + (2 * 56) + 8));
    }

    [Fact]
    public void Mappings_are_cut_to_the_memory_that_is_dumped()
    {
        Assert.Equal(
            [new MemoryMapping(0x2000, 0x1000, 0x1000), new MemoryMapping(0x8000, 0x7000, 0x1000), new MemoryMapping(0xf000, 0x4000, 0x1000)],
            MemoryMapping.Cut([new MemoryMapping(0xf000, 0x4000, 0x5000), new MemoryMapping(0x2000, 0x1000, 0x8000), new MemoryMapping(0xa000, 0, 0x1000)], Memory));
    }

    [Fact]
    public async Task A_cut_at_any_octet_is_noticed()
    {
        var octets = Write(new ElfCoreLayout(Pc, Notes, [new(0, 0x10)], MemoryMapping.Identity([new(0, 0x10)])));
        await ReadAsync(octets);
        for (var length = 0; length < octets.Length; length++)
        {
            var refused = await Assert.ThrowsAsync<MalformedInputException>(() => ReadAsync(octets[..length]));
            Assert.InRange(refused.Offset, 0, length);
            Assert.NotNull(refused.Advice);
        }
    }

    [Fact]
    public async Task What_is_no_core_is_refused()
    {
        var octets = Write(new ElfCoreLayout(Pc, Notes, Memory, MemoryMapping.Identity(Memory)));
        await RefusedAsync(4, 3, "class 3 is not known");
        await RefusedAsync(5, 0, "byte order 0 is not known");
        await RefusedAsync(54, 57, "program headers of 57 octets, not 56");
        await RefusedAsync(56, 0, "0 program headers; a core has 1 to 1048577");
        await RefusedAsync(64 + 56 + 46, 1, "beyond the last address", count: 64 + 56 + 24);
        await RefusedAsync(64 + 32 + 6, 1, "the file ends inside a segment of");
        octets[16] = 2;
        Assert.Equal(ErrorCode.Incompatible, (await Assert.ThrowsAsync<SnapshotException>(() => ReadAsync(octets))).Code);

        async Task RefusedAsync(int offset, byte value, string reason, int? count = null)
        {
            var changed = octets.ToArray();
            changed[offset] = value;
            if (count is { } at) changed.AsSpan(at, 8).Fill(0xff);
            var refused = await Assert.ThrowsAsync<MalformedInputException>(() => ReadAsync(changed));
            Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
        }
    }

    private static byte[] Write(ElfCoreLayout layout)
    {
        var output = new ArrayBufferWriter<byte>();
        layout.WriteHead(output);
        foreach (var range in layout.Memory) output.Write(new byte[range.Length]);
        Assert.Equal(layout.Length, output.WrittenCount);
        return output.WrittenSpan.ToArray();
    }

    private static Task<ElfCore> ReadAsync(byte[] octets) => ElfCoreReader.ReadAsync(new MemoryStream(octets), default);
}
