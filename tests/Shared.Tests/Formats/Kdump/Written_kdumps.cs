using Cutpoint.Formats;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;

namespace Cutpoint.Shared.Tests.Formats.Kdump;

/// <summary>What is written is read: every method, both classes and orders of octets, plain and flattened; and what is damaged is refused.</summary>
public sealed class Written_kdumps
{
    private static readonly DumpRange[] Memory = [new(0, 0x5000), new(0x9000, 0x1000), new(0x11000, 0x2000)];

    private static readonly ElfNote Note = new("VMCOREINFO", 0, "OSRELEASE=6.1\nNUMBER(phys_base)=-713031680\n"u8.ToArray());

    private static readonly Dictionary<ulong, byte[]> Pages = MakePages();

    public static TheoryData<KdumpCompression, ElfClass, bool> Forms
    {
        get
        {
            var forms = new TheoryData<KdumpCompression, ElfClass, bool>();
            foreach (var compression in (KdumpCompression[])[KdumpCompression.Zlib, KdumpCompression.Lzo, KdumpCompression.Snappy, KdumpCompression.Zstd])
            {
                foreach (var @class in Enum.GetValues<ElfClass>())
                {
                    forms.Add(compression, @class, false);
                    forms.Add(compression, @class, true);
                }
            }
            return forms;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_file_of_any_form_is_read_as_it_was_written(KdumpCompression compression, ElfClass @class, bool isBigEndian)
    {
        var target = new ElfTarget(ElfMachine.Arm, @class, isBigEndian);
        var plain = KdumpBuilder.Plain(new TestProcessors(isBigEndian), Note, Memory, compression, At, target);
        var flattened = KdumpBuilder.Flattened(new TestProcessors(isBigEndian), Note, Memory, compression, At, target);

        foreach (var octets in (byte[][])[plain, flattened])
        {
            var (reader, pages) = await KdumpBuilder.ReadAsync(octets);
            Assert.Equal(octets == flattened, reader.IsFlattened);
            Assert.Equal((@class, isBigEndian, compression, "test"),
                (reader.Header.Target.Class, reader.Header.Target.IsBigEndian, reader.Header.Compression, reader.Header.MachineName));
            Assert.Equal((0x13ul, 4096, 3), (reader.Header.FrameCount, reader.Header.BlockSize, reader.Header.CpuCount));
            Assert.Equal(@class == ElfClass.Bits64 ? unchecked((ulong)-713031680) : unchecked((uint)-713031680), reader.Header.PhysicalBase);
            Assert.Equal(["CORE", "VMCOREINFO"], reader.Notes.Select(note => note.Name));
            Assert.Equal(Pages.Keys.Order(), pages.Keys);
            Assert.All(pages, page => Assert.Equal(Pages[page.Key], page.Value));
        }
        var (made, _) = await KdumpBuilder.ReadAsync(plain);
        Assert.True(plain.AsSpan((int)made.Header.VmCoreInfoOffset, (int)made.Header.VmCoreInfoLength).SequenceEqual(Note.Contents.Span));
    }

    [Fact]
    public async Task A_flattened_file_makes_the_plain_one()
    {
        var flattened = KdumpBuilder.Flattened(new TestProcessors(false), Note, Memory, KdumpCompression.Zlib, At);
        var plain = KdumpBuilder.Plain(new TestProcessors(false), Note, Memory, KdumpCompression.Zlib, At);
        using var stream = await FlattenedStream.OpenAsync(new MemoryStream(flattened), default);
        var made = new byte[stream.Length];
        await stream.ReadExactlyAsync(made);
        Assert.Equal(plain, made);
    }

    [Fact]
    public void Pages_that_do_not_shrink_stay_as_they_are_and_zero_pages_share_one()
    {
        var layout = new KdumpLayout(true, 4096, 0, Memory);
        using var pages = new KdumpPages(KdumpBuilder.Codec(KdumpCompression.Zlib), KdumpCompression.Zlib, 4096, 8);
        foreach (var frame in (ulong[])[0, 1, 2, 3]) pages.Add(Pages[frame]);

        Assert.Equal([(0, false), (4096, false), (0, false)], pages.Entries.ToArray().Where((_, i) => i != 1).Select(e => (e.Length, e.IsCompressed)));
        Assert.True(pages.Entries[1].IsCompressed);
        Assert.Equal((8, 0x13ul), (layout.PageCount, layout.FrameCount));
    }

    [Fact]
    public void A_bitmap_has_a_bit_for_each_frame_that_is_there_also_in_part()
    {
        var layout = new KdumpLayout(false, 0x10000, 0, [new(0x1000, 0x2000), new(0x8000, 0x10000), new(0x40000, 0x1), new(0x90000, 0x80000)]);
        var bitmap = new byte[4];
        layout.FillBitmap(0, bitmap);

        Assert.Equal([0b0001_0011, 0b1111_1110, 0b0000_0001, 0], bitmap);
        Assert.Equal((11, 17ul), (layout.PageCount, layout.FrameCount));
        var second = new byte[1];
        layout.FillBitmap(1, second);
        Assert.Equal(bitmap[1], second[0]);
    }

    [Fact]
    public async Task Of_records_that_overlap_the_later_one_counts_and_gaps_are_zero()
    {
        using var stream = await FlattenedStream.OpenAsync(Records((4, "aaaa"), (2, "bbb"), (12, "c"), (6, "d"), (0, "e"), (5, "fff")), default);
        var octets = new byte[stream.Length];
        await stream.ReadExactlyAsync(octets);
        Assert.Equal("e\0bbbfff\0\0\0\0c"u8.ToArray(), octets);
        stream.Position = 6;
        Assert.Equal('f', stream.ReadByte());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cut_at_any_octet_is_noticed(bool isFlattened)
    {
        DumpRange[] memory = [new(0, 0x2000)];
        var octets = isFlattened
            ? KdumpBuilder.Flattened(new TestProcessors(false), Note, memory, KdumpCompression.Zlib, _ => Pages[1])
            : KdumpBuilder.Plain(new TestProcessors(false), Note, memory, KdumpCompression.Zlib, _ => Pages[1]);
        await KdumpBuilder.ReadAsync(octets);
        for (var length = 0; length < octets.Length; length++)
        {
            var refused = await Assert.ThrowsAsync<MalformedInputException>(() => KdumpBuilder.ReadAsync(octets[..length]));
            Assert.InRange(refused.Offset, 0, length);
            Assert.NotNull(refused.Advice);
        }
    }

    [Fact]
    public async Task Damage_is_refused_with_its_place()
    {
        var octets = KdumpBuilder.Plain(new TestProcessors(false), Note, Memory, KdumpCompression.Zlib, At);
        var layout = new KdumpLayout(true, 4096, 400, Memory);
        var descriptor = layout.DescriptorsOffset + 24;
        await RefusedAsync(8, [7, 0, 0, 0], 8, "version 7 is not known");
        await RefusedAsync(428, [1, 16, 0, 0], 412, "make no sense in either class");
        await RefusedAsync(4096 + 103, [0x7f], 4096 + 96, "frames in a file of");
        await RefusedAsync(4096 + 56, [0, 0, 0, 5], 4096 + 48, "67108864 are the most");
        await RefusedAsync((int)descriptor + 8, [1, 16, 0, 0], descriptor + 8, "a page of 4097 octets");
        await RefusedAsync((int)descriptor + 12, [3], descriptor + 12, "method 3 of a page is not known");
        await RefusedAsync((int)descriptor + 6, [1], descriptor, "the file ends inside a page");
        await RefusedAsync((int)layout.PagesOffset + 4096, [0xff, 0xff], layout.PagesOffset + 4096, "a page cannot be decompressed");

        async Task RefusedAsync(int offset, byte[] value, long place, string reason)
        {
            var changed = octets.ToArray();
            value.CopyTo(changed, offset);
            var refused = await Assert.ThrowsAsync<MalformedInputException>(() => KdumpBuilder.ReadAsync(changed));
            Assert.Contains(reason, refused.Reason, StringComparison.Ordinal);
            Assert.Equal(place, refused.Offset);
        }
    }

    [Fact]
    public async Task A_flattened_file_of_a_huge_hole_is_refused()
    {
        var refused = await Assert.ThrowsAsync<MalformedInputException>(() => FlattenedStream.OpenAsync(Records((0, "a"), (1L << 50, "b")), default));
        Assert.Equal(4096 + 17, refused.Offset);
    }

    private static ReadOnlySpan<byte> At(ulong address) => Pages[address / 4096];

    private static MemoryStream Records(params (long Place, string Octets)[] records)
    {
        var octets = new System.Buffers.ArrayBufferWriter<byte>();
        var output = new FlattenedOutput(octets);
        output.Begin();
        foreach (var (place, text) in records) output.Write(place, System.Text.Encoding.ASCII.GetBytes(text));
        output.Complete();
        return new MemoryStream(octets.WrittenSpan.ToArray());
    }

    private static Dictionary<ulong, byte[]> MakePages()
    {
        var random = new Random(3);
        Dictionary<ulong, byte[]> pages = [];
        foreach (var range in Memory)
        {
            for (var frame = range.Address / 4096; frame <= range.Last / 4096; frame++)
            {
                var page = new byte[4096];
                // Zero, shrinking, random, zero, shrinking, …
                if (frame % 3 == 1) page.AsSpan(100, 200).Fill((byte)frame);
                if (frame % 3 == 2) random.NextBytes(page);
                pages.Add(frame, page);
            }
        }
        return pages;
    }

    private sealed class TestProcessors(bool isBigEndian) : GuestProcessors
    {
        public override ElfMachine Machine => ElfMachine.Arm;

        public override bool IsBigEndian => isBigEndian;

        public override int Count => 3;

        public override int BlockSize => 4096;

        public override string MachineName => "test";

        protected override bool Is64Bit => true;

        public override IReadOnlyList<ElfNote> Notes() => [new("CORE", 1, new byte[336])];

        public override ulong PhysicalBase(ElfNote? note, IReadOnlyList<DumpRange> memory) => (ulong)VmCoreInfo.Number(note!, "phys_base")!;

        public override Task<IReadOnlyList<MemoryMapping>?> WalkAsync(IGuestMemory memory, CancellationToken cancellation) =>
            Task.FromResult<IReadOnlyList<MemoryMapping>?>(null);
    }
}
