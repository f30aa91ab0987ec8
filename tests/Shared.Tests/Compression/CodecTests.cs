using System.Diagnostics;
using Cutpoint.Compression;
using Cutpoint.Formats;

namespace Cutpoint.Shared.Tests.Compression;

public class CodecTests
{
    private static readonly Dictionary<string, IBlockCodec> Codecs = new()
    {
        ["none"] = StoredCodec.Instance,
        ["zstd"] = ZstdCodec.ForLevel(1),
        ["zstd of sections"] = ZstdCodec.ForSections(1),
        ["zstd of sections, level 9"] = ZstdCodec.ForSections(9),
        ["lz4"] = Lz4Codec.Instance,
        ["zlib"] = new ZlibCodec(1),
        ["lzo"] = LzoCodec.Instance,
        ["snappy"] = SnappyCodec.Instance,
    };

    public static TheoryData<string> Names => [.. Codecs.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_block_comes_back_as_it_went_in(string name)
    {
        var codec = Codecs[name];
        var random = new Random(1);
        foreach (var length in (int[])[1, 15, 4095, 4096, 65537, 4 << 20])
        {
            foreach (var share in (int[])[0, 50, 100])
            {
                var block = Block(random, length, share);
                var compressed = new byte[codec.MaxCompressedLength(length)];
                Assert.True(codec.TryCompress(block, compressed, out var written));
                var again = new byte[length];
                codec.Decompress(compressed.AsSpan(0, written), again);
                Assert.True(block.AsSpan().SequenceEqual(again));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_destination_that_is_too_short_is_told_and_one_that_just_fits_is_taken(string name)
    {
        var codec = Codecs[name];
        var block = Block(new Random(2), 4096, 50);
        Assert.True(codec.TryCompress(block, new byte[codec.MaxCompressedLength(4096)], out var needed));
        Assert.False(codec.TryCompress(block, new byte[needed - 1], out _));
        var again = new byte[4096];
        var destination = new byte[needed];
        // LZ4 and zstd may want a few octets more than they use.
        if (codec.TryCompress(block, destination, out var written))
        {
            codec.Decompress(destination.AsSpan(0, written), again);
            Assert.Equal(block, again);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_block_of_another_length_is_refused(string name)
    {
        var codec = Codecs[name];
        var block = Block(new Random(3), 4096, 30);
        var compressed = new byte[codec.MaxCompressedLength(4096)];
        Assert.True(codec.TryCompress(block, compressed, out var written));
        foreach (var length in (int[])[0, 1, 4095, 4097, 8192])
            Assert.Throws<MalformedInputException>(() => codec.Decompress(compressed.AsSpan(0, written), new byte[length]));
        Assert.Throws<MalformedInputException>(() => codec.Decompress(compressed.AsSpan(0, written - 1), new byte[4096]));
        Assert.Throws<MalformedInputException>(() => codec.Decompress([], new byte[4096]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Damaged_input_gives_the_wrong_block_or_one_kind_of_error(string name)
    {
        var codec = Codecs[name];
        var random = new Random(4);
        var block = Block(random, 4096, 30);
        var compressed = new byte[codec.MaxCompressedLength(4096)];
        Assert.True(codec.TryCompress(block, compressed, out var written));
        var destination = new byte[4096];
        for (var round = 0; round < 2000; round++)
        {
            var damaged = compressed.AsSpan(0, written).ToArray();
            for (var hits = random.Next(1, 4); hits > 0; hits--) damaged[random.Next(written)] ^= (byte)random.Next(1, 256);
            try
            {
                codec.Decompress(damaged, destination);
            }
            catch (MalformedInputException)
            {
                continue;
            }
        }
    }

    [Fact]
    public void Zlib_refuses_octets_behind_the_end()
    {
        var codec = new ZlibCodec(1);
        var block = Block(new Random(5), 4096, 30);
        var compressed = new byte[codec.MaxCompressedLength(4096) + 1];
        Assert.True(codec.TryCompress(block, compressed, out var written));
        Assert.Throws<MalformedInputException>(() => codec.Decompress(compressed.AsSpan(0, written + 1), new byte[4096]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_call_allocates_once_a_thread_has_its_memory(string name)
    {
        var codec = Codecs[name];
        var block = Block(new Random(6), 4096, 30);
        var compressed = new byte[codec.MaxCompressedLength(4096)];
        var small = new byte[4095];
        var again = new byte[4096];
        long before = 0;
        for (var round = 0; round < 40; round++)
        {
            // The first rounds set the thread's memory up and let the compiler finish its work.
            if (round == 30) before = GC.GetAllocatedBytesForCurrentThread();
            Assert.True(codec.TryCompress(block, compressed, out var written));
            codec.TryCompress(block, small, out _);
            codec.Decompress(compressed.AsSpan(0, written), again);
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Threads_side_by_side_do_not_disturb_each_other()
    {
        Parallel.For(0, 64, number =>
        {
            var block = Block(new Random(number), 100_000 + number, 40);
            foreach (var codec in Codecs.Values)
            {
                var compressed = new byte[codec.MaxCompressedLength(block.Length)];
                Assert.True(codec.TryCompress(block, compressed, out var written));
                var again = new byte[block.Length];
                codec.Decompress(compressed.AsSpan(0, written), again);
                Assert.True(block.AsSpan().SequenceEqual(again));
            }
        });
    }

    [Fact]
    public async Task The_zstd_program_reads_a_section()
    {
        var block = Block(new Random(7), 4 << 20, 30);
        var codec = Codec.Default.CreateSectionCodec();
        var compressed = new byte[codec.MaxCompressedLength(block.Length)];
        Assert.True(codec.TryCompress(block, compressed, out var written));
        using var zstd = Process.Start(
            new ProcessStartInfo("zstd", "-dc") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var output = new MemoryStream();
        var reading = zstd.StandardOutput.BaseStream.CopyToAsync(output);
        await zstd.StandardInput.BaseStream.WriteAsync(compressed.AsMemory(0, written));
        zstd.StandardInput.Close();
        await reading;
        await zstd.WaitForExitAsync();
        Assert.Equal(0, zstd.ExitCode);
        Assert.True(block.AsSpan().SequenceEqual(output.ToArray()));
    }

    [Theory]
    [InlineData("zstd", CodecKind.Zstd, 1)]
    [InlineData("zstd:1", CodecKind.Zstd, 1)]
    [InlineData("zstd:19", CodecKind.Zstd, 19)]
    [InlineData("lz4", CodecKind.Lz4, 0)]
    [InlineData("none", CodecKind.None, 0)]
    public void A_codec_is_read_from_its_text(string text, CodecKind kind, int level)
    {
        Assert.Equal(new Codec(kind, level), Codec.Parse(text));
        Assert.Equal(Codec.Parse(text), Codec.Parse(Codec.Parse(text).ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("gzip")]
    [InlineData("ZSTD")]
    [InlineData("zstd:")]
    [InlineData("zstd:0")]
    [InlineData("zstd:20")]
    [InlineData("zstd:-1")]
    [InlineData("zstd: 3")]
    [InlineData("zstd:3x")]
    [InlineData("lz4:1")]
    public void Text_that_names_no_codec_is_a_usage_error(string text)
    {
        var error = Assert.Throws<SnapshotException>(() => Codec.Parse(text));
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.NotNull(error.Advice);
    }

    [Fact]
    public void A_missing_library_is_named_with_its_package()
    {
        var error = Assert.Throws<SnapshotException>(() => NativeLibraries.Load("libzstd.so.1", _ => 0));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains("libzstd.so.1", error.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install libzstd1", error.Advice, StringComparison.Ordinal);
    }

    /// <summary>Octets of which a share is random and the rest repeats.</summary>
    private static byte[] Block(Random random, int length, int randomPercent)
    {
        var block = new byte[length];
        for (var start = 0; start < length; start += 64)
        {
            var piece = block.AsSpan(start, Math.Min(64, length - start));
            if (random.Next(100) < randomPercent) random.NextBytes(piece);
            else piece.Fill((byte)(start / 640));
        }
        return block;
    }
}
