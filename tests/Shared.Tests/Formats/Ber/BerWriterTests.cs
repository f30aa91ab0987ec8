using System.Buffers;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerWriterTests
{
    [Theory]
    [InlineData(0, "020100")]
    [InlineData(127, "02017f")]
    [InlineData(128, "02020080")]
    [InlineData(255, "020200ff")]
    [InlineData(32768, "0203008000")]
    [InlineData(1L << 31, "02050080000000")]
    [InlineData(long.MaxValue, "02087fffffffffffffff")]
    [InlineData(-1, "0201ff")]
    [InlineData(-128, "020180")]
    [InlineData(-129, "0202ff7f")]
    [InlineData(-256, "0202ff00")]
    [InlineData(-32769, "0203ff7fff")]
    [InlineData(long.MinValue, "02088000000000000000")]
    public void Integers_are_written_in_their_shortest_form(long value, string expected)
    {
        Assert.Equal(expected, Written(writer => writer.WriteInteger(value)));
        if (value >= 0) Assert.Equal(expected, Written(writer => writer.WriteInteger((ulong)value)));
        Assert.Equal(value, (long)new BerSpanReader(Convert.FromHexString(expected)).ReadInteger());
    }

    [Theory]
    [InlineData(1UL << 63, "0209008000000000000000")]
    [InlineData(ulong.MaxValue, "020900ffffffffffffffff")]
    public void Unsigned_integers_with_the_top_bit_set_get_a_leading_zero_octet(ulong value, string expected)
    {
        Assert.Equal(expected, Written(writer => writer.WriteInteger(value)));
        Assert.Equal(value, (ulong)new BerSpanReader(Convert.FromHexString(expected)).ReadInteger());
    }

    [Fact]
    public void Every_element_has_the_octets_of_X690()
    {
        Assert.Equal("0101ff", Written(writer => writer.WriteBoolean(true)));
        Assert.Equal("010100", Written(writer => writer.WriteBoolean(false)));
        Assert.Equal("0500", Written(writer => writer.WriteNull()));
        Assert.Equal("0c03c3a961", Written(writer => writer.WriteUtf8String("éa")));
        Assert.Equal("0403010203", Written(writer => writer.WriteOctetString([1, 2, 3])));
        Assert.Equal("30800000", Written(writer =>
        {
            writer.BeginConstructed(BerTag.Sequence);
            writer.EndConstructed();
        }));
        Assert.Equal("7f1f050403aabbcc", Written(writer =>
        {
            writer.BeginConstructed(BerTag.Application(31), 5);
            writer.BeginOctetString(3);
            writer.WriteContents([0xaa]);
            writer.WriteContents([0xbb, 0xcc]);
            writer.EndConstructed();
        }));
    }

    [Fact]
    public void Calls_that_would_break_the_output_are_refused()
    {
        Refused(writer => writer.EndConstructed());
        Refused(writer =>
        {
            writer.BeginConstructed(BerTag.Sequence, 3);
            writer.WriteOctetString([1, 2]);
        });
        Refused(writer =>
        {
            writer.BeginConstructed(BerTag.Sequence, 3);
            writer.EndConstructed();
        });
        Refused(writer =>
        {
            writer.BeginOctetString(2);
            writer.WriteContents([1]);
            writer.WriteBoolean(true);
        });
        Refused(writer => writer.WriteContents([1]));
        Refused(writer =>
        {
            writer.BeginConstructed(BerTag.Sequence, 4);
            writer.BeginConstructed(BerTag.Sequence);
            writer.EndConstructed();
            writer.WriteNull();
        });
        Refused(writer =>
        {
            for (var depth = 0; depth <= BerWriter.MaxDepth; depth++) writer.BeginConstructed(BerTag.Sequence);
        });
    }

    [Fact]
    public async Task A_stream_gets_the_same_octets_however_it_is_flushed()
    {
        var page = new byte[4096];
        new Random(7).NextBytes(page);
        var buffer = new ArrayBufferWriter<byte>();
        using var toBuffer = new BerWriter(buffer);
        using var stream = new MemoryStream();
        using var toStream = new BerWriter(stream);
        for (var index = 0; index < 200; index++)
        {
            foreach (var writer in new[] { toBuffer, toStream })
            {
                writer.WriteInteger(index * 4096);
                writer.WriteOctetString(page);
            }

            if (toStream.ShouldFlush && index % 3 == 0) await toStream.FlushAsync();
        }

        await toStream.FlushAsync();
        Assert.Equal(buffer.WrittenSpan, stream.ToArray());
        Assert.Equal(stream.Length, toStream.Position);
    }

    private static string Written(Action<BerWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new BerWriter(buffer);
        write(writer);
        Assert.Equal(buffer.WrittenCount, writer.Position);
        return Convert.ToHexStringLower(buffer.WrittenSpan);
    }

    private static void Refused(Action<BerWriter> write)
    {
        using var writer = new BerWriter(new ArrayBufferWriter<byte>());
        Assert.Throws<InvalidOperationException>(() => write(writer));
    }
}
