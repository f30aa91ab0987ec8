using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerHeaderTests
{
    [Theory]
    [InlineData(1270481u, "7fcdc551")]
    [InlineData(2003u, "7f8f53")]
    [InlineData(211u, "7f8153")]
    [InlineData(9810u, "7fcc52")]
    [InlineData(8914u, "7fc552")]
    [InlineData(10700u, "7fd34c")]
    [InlineData(10707u, "7fd353")]
    [InlineData(20000u, "7f819c20")]
    [InlineData(0u, "60")]
    [InlineData(30u, "7e")]
    [InlineData(31u, "7f1f")]
    [InlineData(127u, "7f7f")]
    [InlineData(128u, "7f8100")]
    [InlineData(uint.MaxValue, "7f8fffffff7f")]
    public void Identifier_octets_are_those_of_X690(uint number, string expected)
    {
        var tag = BerTag.Application(number);
        Span<byte> header = stackalloc byte[BerHeader.MaxLength];
        var written = BerHeader.Write(header, tag, isConstructed: true, BerHeader.Indefinite);

        Assert.Equal(expected + "80", Convert.ToHexStringLower(header[..written]));
        Assert.Equal(written, BerHeader.Measure(tag, BerHeader.Indefinite));
        Assert.True(BerHeader.TryRead(header, out var read));
        Assert.Equal(new BerHeader(tag, true, written, BerHeader.Indefinite), read);
    }

    [Theory]
    [InlineData(0, "00")]
    [InlineData(127, "7f")]
    [InlineData(128, "8180")]
    [InlineData(255, "81ff")]
    [InlineData(256, "820100")]
    [InlineData(4096, "821000")]
    [InlineData(65535, "82ffff")]
    [InlineData(65536, "83010000")]
    [InlineData(1L << 31, "8480000000")]
    [InlineData(1L << 32, "850100000000")]
    [InlineData(BerHeader.MaxContentLength, "887ffffffffffffff0")]
    public void Length_octets_are_the_fewest_possible(long length, string expected)
    {
        Span<byte> header = stackalloc byte[BerHeader.MaxLength];
        var written = BerHeader.Write(header, BerTag.OctetString, isConstructed: false, length);

        Assert.Equal("04" + expected, Convert.ToHexStringLower(header[..written]));
        Assert.Equal(written, BerHeader.Measure(BerTag.OctetString, length));
        for (var cut = 0; cut < written; cut++) Assert.False(BerHeader.TryRead(header[..cut], out _));
        Assert.True(BerHeader.TryRead(header[..written], out var read));
        Assert.Equal(length + written, read.TotalLength);
    }

    [Theory]
    [InlineData("04840000 1000", 4096)]
    [InlineData("048105", 5)]
    [InlineData("04880000000000000001", 1)]
    public void Lengths_that_are_not_minimal_are_taken(string octets, long length)
    {
        var source = Convert.FromHexString(octets.Replace(" ", ""));
        Assert.True(BerHeader.TryRead(source, out var header));
        Assert.Equal(length, header.ContentLength);
        Assert.Equal(source.Length, header.HeaderLength);
    }

    [Theory]
    [InlineData("0480", 1, "primitive")]
    [InlineData("04ff", 1, "reserved")]
    [InlineData("7f8001", 1, "leading")]
    [InlineData("7f1e00", 1, "long form")]
    [InlineData("7f9080808000", 5, "32 bits")]
    [InlineData("0489000000000000000001", 1, "9 octets")]
    [InlineData("0488ffffffffffffffff", 1, "18446744073709551615")]
    [InlineData("0001", 0, "end-of-contents")]
    [InlineData("2000", 0, "end-of-contents")]
    public void Headers_that_are_not_BER_are_refused_where_they_go_wrong(string octets, int at, string reason)
    {
        var error = Assert.Throws<MalformedInputException>(() => BerHeader.TryRead(Convert.FromHexString(octets), out _, 1000));
        Assert.Equal(1000 + at, error.Offset);
        Assert.Contains(reason, error.Reason, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
    }
}
