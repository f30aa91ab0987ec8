using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerReaderTests
{
    private const long BeyondInt = (1L << 31) + 5;

    [Theory]
    [InlineData("3003 0201", 4, "ends inside")]
    [InlineData("3003 020201", 2, "runs past")]
    [InlineData("3004 30800000 0500", 6, "")]
    [InlineData("3006 3080 0201 07 02", 7, "runs past the end of SEQUENCE")]
    [InlineData("3005 3080 0201 07", 7, "runs past the end of SEQUENCE")]
    [InlineData("3002 0000", 2, "end-of-contents")]
    [InlineData("0000", 0, "end-of-contents")]
    [InlineData("3001 7f", 2, "runs past")]
    [InlineData("02", 1, "ends inside")]
    [InlineData("3080 02", 3, "ends inside")]
    [InlineData("04 84ffffffff 00", 7, "ends inside")]
    [InlineData("04 887fffffffffffffff", 1, "no input is that long")]
    [InlineData("3080 04 887ffffffffffffff0", 12, "ends inside")]
    public void Values_that_do_not_fit_into_each_other_are_refused(string octets, long offset, string reason)
    {
        var source = Convert.FromHexString(octets.Replace(" ", "", StringComparison.Ordinal));
        if (reason.Length == 0)
        {
            using var fine = new BerReader(source);
            while (fine.Read()) Assert.True(fine.Depth <= 2);
            return;
        }

        foreach (var reader in new[] { new BerReader(source), new BerReader(new TricklingStream(source)) })
        {
            using (reader)
            {
                var error = Assert.Throws<MalformedInputException>(() => ReadAll(reader));
                Assert.Equal(offset, error.Offset);
                Assert.Contains(reason, error.Reason, StringComparison.Ordinal);
            }
        }

        Assert.Throws<MalformedInputException>(() =>
        {
            var spans = new BerSpanReader(source);
            WalkAll(ref spans);
        });
    }

    [Fact]
    public void Values_nest_up_to_the_limit_and_no_deeper()
    {
        byte[] Nested(int depth) => [.. Enumerable.Repeat<byte[]>([0x30, 0x80], depth).SelectMany(x => x), .. new byte[2 * depth]];

        using var deepest = new BerReader(Nested(BerReader.MaxDepth));
        ReadAll(deepest);
        using var deeper = new BerReader(Nested(BerReader.MaxDepth + 1));
        var error = Assert.Throws<MalformedInputException>(() => ReadAll(deeper));
        Assert.Equal(2 * BerReader.MaxDepth, error.Offset);
        Assert.Throws<MalformedInputException>(() => new BerSpanReader(Nested(BerReader.MaxDepth + 1)).ReadValue());
        Assert.Equal(4 * BerReader.MaxDepth, new BerSpanReader(Nested(BerReader.MaxDepth)).ReadValue().Length);
    }

    [Fact]
    public void Any_octet_but_zero_is_true()
    {
        using var reader = new BerReader(Convert.FromHexString("010101010100"));
        Assert.True(reader.Read() && reader.GetBoolean());
        Assert.True(reader.Read() && !reader.GetBoolean());
        Assert.True(new BerSpanReader([1, 1, 0x80]).ReadBoolean());
    }

    [Theory]
    [InlineData("0200", 2)]
    [InlineData("020200 7f", 2)]
    [InlineData("0202ff80", 2)]
    [InlineData("02090100000000000000 00", 2)]
    [InlineData("0209ff7fffffffffffff ff", 2)]
    [InlineData("020a0000000000000000 0001", 2)]
    public void Integers_outside_of_64_bits_or_not_in_their_shortest_form_are_refused(string octets, long offset)
    {
        var source = Convert.FromHexString(octets.Replace(" ", "", StringComparison.Ordinal));
        using var reader = new BerReader(source);
        Assert.True(reader.Read());
        Assert.Equal(offset, Assert.Throws<MalformedInputException>(() => reader.GetInteger()).Offset);
        Assert.Throws<MalformedInputException>(() => new BerSpanReader(source).ReadInteger());
    }

    [Fact]
    public void Strings_in_pieces_read_as_one_from_memory()
    {
        var pieces = Convert.FromHexString("2480040361626304036465660000");
        Assert.Equal("abcdef"u8, new BerSpanReader(pieces).ReadOctetString());
        pieces[0] = 0x2c;
        Assert.Equal("abcdef", new BerSpanReader(pieces).ReadUtf8String(6));
        Assert.Throws<MalformedInputException>(() => new BerSpanReader(pieces).ReadUtf8String(5));
        Assert.Throws<MalformedInputException>(() => new BerSpanReader([0x0c, 1, 0xff]).ReadUtf8String(5));
        Assert.Throws<MalformedInputException>(() => new BerSpanReader([0x24, 0x80, 2, 1, 5, 0, 0]).ReadOctetString());
    }

    [Fact]
    public void A_string_longer_than_two_GiB_goes_through_in_constant_memory()
    {
        var sink = new CountingStream();
        using (var writer = new BerWriter(sink))
        {
            writer.BeginOctetString(BeyondInt);
            var chunk = new byte[1 << 20];
            while (writer.OpenStringRest > 0) writer.WriteContents(chunk.AsSpan(0, (int)Math.Min(chunk.Length, writer.OpenStringRest)));
            writer.WriteBoolean(true);
            writer.Flush();
        }

        Assert.Equal("048480000005", Convert.ToHexStringLower(sink.Head.AsSpan(0, 6)));
        Assert.Equal(6 + BeyondInt + 3, sink.Length);

        var before = GC.GetAllocatedBytesForCurrentThread();
        using var reader = new BerReader(new LongStream(Convert.FromHexString("048480000005"), BeyondInt, [1, 1, 0xff]));
        Assert.True(reader.Read());
        long length = 0;
        while (reader.ReadFragment()) length += reader.Contents.Length;
        Assert.Equal(BeyondInt, length);
        Assert.True(reader.Read() && reader.GetBoolean());
        Assert.False(reader.Read());
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void A_string_longer_than_two_GiB_is_passed_over()
    {
        using var reader = new BerReader(new LongStream(Convert.FromHexString("048480000005"), BeyondInt, [1, 1, 0xff]));
        Assert.True(reader.Read());
        Assert.False(reader.IsBuffered);
        Assert.True(reader.Read() && reader.GetBoolean());
        Assert.Equal(6 + BeyondInt, reader.Offset);
    }

    [Fact]
    public void A_header_that_claims_the_longest_contents_costs_no_memory()
    {
        byte[] claim = [0x04, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 1, 2, 3];
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var reader = new BerReader(claim);
        Assert.True(reader.Read());
        Assert.Equal(claim.Length, Assert.Throws<MalformedInputException>(() => ReadAll(reader)).Offset);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void Reading_and_writing_pages_allocates_nothing_per_page()
    {
        const int Pages = 5000;
        var page = new byte[4096];
        using var file = new MemoryStream(new byte[Pages * 4200]);
        var (writing, reading) = (long.MaxValue, long.MaxValue);
        // Other threads' collections add to what the runtime counts for this one: the quietest of some runs is the truth.
        for (var run = 0; run < 8; run++)
        {
            file.SetLength(file.Capacity);
            file.Position = 0;
            using var values = new BerWriter(file);
            var writer = new BerSnapshotWriter(values);
            var blocks = new[] { new BerRamBlock("pc.ram", Pages * 4096), new BerRamBlock("pc.bios", Pages * 4096) };
            writer.BeginFile();
            writer.BeginSection("ram", 1, 0, 4);
            writer.BeginRamList();
            writer.WriteRamBlocks(blocks);
            writer.WritePage("pc.ram", 0, page);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var index = 1; index < Pages; index++) writer.WritePage(blocks[index % 2].Name, (ulong)index * 4096, page);
            writing = Math.Min(writing, GC.GetAllocatedBytesForCurrentThread() - before);
            writer.EndRamList();
            writer.EndSection();
            writer.EndFile();
            values.Flush();
            file.SetLength(file.Position);
            file.Position = 0;

            using var reader = new BerSnapshotReader(file);
            while (reader.RamFlags != BerRamFlags.Page) reader.Read();
            before = GC.GetAllocatedBytesForCurrentThread();
            for (var index = 1; index < Pages; index++) reader.Read();
            reading = Math.Min(reading, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(((ulong)Pages - 1) * 4096, reader.RamAddress);
        }

        Assert.Equal((0, 0), (writing, reading));
    }

    private static void ReadAll(BerReader reader)
    {
        while (reader.Read())
        {
        }
    }

    private static void WalkAll(ref BerSpanReader reader)
    {
        while (!reader.IsAtEnd)
        {
            if (!reader.Peek().IsConstructed)
            {
                reader.ReadValue();
                continue;
            }

            var inner = reader.ReadConstructed(reader.Peek().Tag);
            WalkAll(ref inner);
        }
    }

    /// <summary>A head, a long run of zero octets that exist nowhere, a tail.</summary>
    private sealed class LongStream(byte[] head, long zeroes, byte[] tail) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => head.Length + zeroes + tail.Length;
        public override long Position { get; set; }

        public override int Read(Span<byte> buffer)
        {
            var (start, part) = Position < head.Length ? (0L, head)
                : Position < head.Length + zeroes ? (head.Length, null)
                : (head.Length + zeroes, tail);
            var rest = (part?.Length ?? zeroes) - (Position - start);
            var count = (int)Math.Min(rest, buffer.Length);
            part?.AsSpan((int)(Position - start), count).CopyTo(buffer);
            Position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    /// <summary>Keeps the first octets and counts the rest.</summary>
    private sealed class CountingStream : Stream
    {
        private long _length;

        public byte[] Head { get; } = new byte[16];
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => _length;
        public override long Position { get => _length; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (_length == 0) buffer.AsSpan(offset, Head.Length).CopyTo(Head);
            _length += count;
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
