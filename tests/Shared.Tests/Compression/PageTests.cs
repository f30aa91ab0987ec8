using Cutpoint.Compression;
using Cutpoint.Guests;

namespace Cutpoint.Shared.Tests.Compression;

public class PageTests
{
    [Fact]
    public void The_hash_is_the_one_of_the_published_algorithm()
    {
        // XXH3_128bits of the empty input and of "abc", as xxhsum -H2 prints them.
        Assert.Equal(UInt128.Parse("99aa06d3014798d86001c324468d497f", System.Globalization.NumberStyles.HexNumber), Xxh3.Hash([]));
        Assert.Equal(UInt128.Parse("06b05ab6733a618578af5f94892f3950", System.Globalization.NumberStyles.HexNumber), Xxh3.Hash("abc"u8));
    }

    [Fact]
    public void One_secret_gives_one_hash_and_another_secret_another()
    {
        var random = new Random(1);
        var secret = new byte[PageHasher.SecretLength];
        random.NextBytes(secret);
        var page = new byte[Paging.PageSize];
        random.NextBytes(page);
        var first = new PageHasher(secret).Hash(page);
        Assert.Equal(first, new PageHasher(secret).Hash(page));
        secret[100] ^= 1;
        Assert.NotEqual(first, new PageHasher(secret).Hash(page));
    }

    [Fact]
    public void Every_bit_of_a_page_counts()
    {
        var random = new Random(2);
        var secret = new byte[PageHasher.SecretLength];
        random.NextBytes(secret);
        var hasher = new PageHasher(secret);
        var page = new byte[Paging.PageSize];
        random.NextBytes(page);
        var seen = new HashSet<UInt128> { hasher.Hash(page) };
        for (var bit = 0; bit < Paging.PageSize * 8; bit++)
        {
            page[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.True(seen.Add(hasher.Hash(page)));
            page[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Pages_in_a_row_hash_as_they_do_alone()
    {
        var random = new Random(3);
        var secret = new byte[PageHasher.SecretLength];
        random.NextBytes(secret);
        var hasher = new PageHasher(secret);
        var pages = new byte[Paging.PageSize * 5];
        random.NextBytes(pages);
        var hashes = new UInt128[5];
        hasher.Hash(pages, hashes);
        for (var page = 0; page < 5; page++)
            Assert.Equal(hasher.Hash(pages.AsSpan(page * Paging.PageSize, Paging.PageSize)), hashes[page]);
        Assert.Throws<ArgumentOutOfRangeException>(() => hasher.Hash(pages, hashes.AsSpan(1)));
        Assert.Throws<ArgumentException>(() => new PageHasher(new byte[191]));
    }

    [Fact]
    public void A_page_with_any_bit_set_is_not_zero()
    {
        var page = new byte[Paging.PageSize];
        Assert.True(ZeroPages.IsZero(page));
        for (var index = 0; index < page.Length; index++)
        {
            page[index] = 0x10;
            Assert.False(ZeroPages.IsZero(page));
            page[index] = 0;
        }
    }

    [Fact]
    public void The_mask_names_the_zero_pages_of_whole_and_short_extents()
    {
        var extent = new byte[Paging.ExtentSize];
        Assert.Equal(ulong.MaxValue, ZeroPages.Mask(extent));
        extent[^1] = 1;
        extent[Paging.PageSize] = 1;
        Assert.Equal(ulong.MaxValue & ~2UL & ~(1UL << 63), ZeroPages.Mask(extent));
        Assert.Equal(0b101UL, ZeroPages.Mask(extent.AsSpan(0, 3 * Paging.PageSize)));
    }
}
