using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Workers.Capture;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Workers.Tests.Capture;

public sealed class PageClassifierTests : IDisposable
{
    private const int Extents = 20;
    private readonly PageHasher _hasher = new(Enumerable.Range(0, PageHasher.SecretLength).Select(i => (byte)(i * 7)).ToArray());
    private readonly PageChunkPool _pool = new(2);

    public void Dispose() => _pool.Dispose();

    /// <summary>
    /// A model remembers what every page was when it was emitted last. Whatever is emitted, the chunk that comes out holds exactly the pages that differ
    /// from it, each with its octets and their hash, and a zero bit for those that became zero.
    /// </summary>
    [Fact]
    public void What_stays_in_a_chunk_is_what_differs_from_what_was_emitted_last() => Prop.ForAll(Rounds.ToArbitrary(), rounds =>
    {
        using var table = new PageHashTable(Extents * Paging.PagesPerExtent, Path.GetTempPath());
        var classifier = new PageClassifier(_hasher);
        var model = new Dictionary<int, byte>();
        foreach (var round in rounds)
        {
            using var chunk = Fill(round);
            var expected = Expect(model, round);
            foreach (var (extent, pages) in round) CheckCompare(classifier, table, extent, pages, model);
            var (changed, zeroed) = classifier.Classify(chunk, table);
            Assert.Equal(expected.Where(e => e.Value != 0).Sum(_ => 1), changed);
            Assert.Equal(expected.Count(e => e.Value == 0), zeroed);
            Assert.Equal(expected, Read(chunk));
            foreach (var (page, content) in expected) model[page] = content;
        }
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    [Fact]
    public void A_page_whose_octets_changed_back_is_emitted_again()
    {
        using var table = new PageHashTable(Paging.PagesPerExtent, Path.GetTempPath());
        var classifier = new PageClassifier(_hasher);
        Assert.Equal((1, 0), Emit(classifier, table, 1));
        Assert.Equal((0, 0), Emit(classifier, table, 1));
        Assert.Equal((1, 0), Emit(classifier, table, 2));
        Assert.Equal((1, 0), Emit(classifier, table, 1));
        Assert.Equal((0, 1), Emit(classifier, table, 0));
        Assert.Equal((0, 0), Emit(classifier, table, 0));
        Assert.Equal((1, 0), Emit(classifier, table, 1));
    }

    [Fact]
    public void A_table_leaves_no_file_behind_even_while_it_is_used()
    {
        var directory = Directory.CreateTempSubdirectory("cutpoint-table-").FullName;
        using (var table = new PageHashTable(1000, directory))
        {
            table.Extent(0)[3] = 42;
            Assert.Equal((UInt128)42, table.Extent(0)[3]);
            Assert.Equal(1000 % Paging.PagesPerExtent, table.Extent(1000 / Paging.PagesPerExtent).Length);
            Assert.Throws<ArgumentOutOfRangeException>(() => table.Extent(16));
            Assert.Empty(Directory.EnumerateFileSystemEntries(directory));
        }
        Directory.Delete(directory);
    }

    [Fact]
    public void A_table_that_finds_no_room_says_so_before_anything_is_captured()
    {
        var error = Assert.Throws<SnapshotException>(() => new PageHashTable(1000, "/proc/self"));
        Assert.Contains("/proc/self", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
    }

    [Fact]
    public void A_chunk_that_was_given_back_cannot_be_written_and_is_given_back_once()
    {
        var chunk = _pool.TryRent()!;
        chunk.Add(new ExtentPages(0, 1, 0));
        chunk.Dispose();
        chunk.Dispose();
        Assert.Throws<ObjectDisposedException>(() => chunk.Buffer[0] = 1);
        Assert.Throws<ObjectDisposedException>(() => chunk.Pages[0]);
        Assert.Throws<ObjectDisposedException>(() => chunk.Add(new ExtentPages(1, 1, 0)));
        Assert.Throws<ObjectDisposedException>(() => chunk.Reset(0, 0));
        // Two chunks there are, not three.
        Assert.NotNull(_pool.TryRent());
        Assert.NotNull(_pool.TryRent());
        Assert.Null(_pool.TryRent());
    }

    private static Gen<Dictionary<int, byte[]>[]> Rounds =>
        from count in Gen.Choose(1, 4)
        from rounds in (
            from extents in Gen.Choose(0, Extents - 1).ArrayOf(5)
            from contents in Gen.Choose(0, 3).Select(i => (byte)i).ArrayOf(Paging.PagesPerExtent).ArrayOf(5)
            select extents.Zip(contents).DistinctBy(p => p.First).ToDictionary(p => p.First, p => p.Second)).ArrayOf(count)
        select rounds;

    private PageChunk Fill(Dictionary<int, byte[]> round)
    {
        var chunk = _pool.TryRent()!;
        var at = 0;
        foreach (var (extent, pages) in round.OrderBy(r => r.Key))
        {
            ulong present = 0, zero = 0;
            for (var page = 0; page < pages.Length; page++)
            {
                // A source may know that a page is zero, or not: every other one is handed over as octets.
                if (pages[page] == 0 && page % 2 == 0) zero |= 1UL << page;
                else
                {
                    present |= 1UL << page;
                    Content(pages[page]).CopyTo(chunk.Buffer[at..]);
                    at += Paging.PageSize;
                }
            }
            chunk.Add(new ExtentPages(extent, present, zero));
        }
        return chunk;
    }

    private static SortedDictionary<int, byte> Expect(Dictionary<int, byte> model, Dictionary<int, byte[]> round)
    {
        var expected = new SortedDictionary<int, byte>();
        foreach (var (extent, pages) in round)
        {
            for (var page = 0; page < pages.Length; page++)
            {
                var number = (extent * Paging.PagesPerExtent) + page;
                if (model.GetValueOrDefault(number) != pages[page]) expected[number] = pages[page];
            }
        }
        return expected;
    }

    private SortedDictionary<int, byte> Read(PageChunk chunk)
    {
        var found = new SortedDictionary<int, byte>();
        var index = 0;
        foreach (var extent in chunk.Extents)
        {
            for (var page = 0; page < Paging.PagesPerExtent; page++)
            {
                var number = (extent.Extent * Paging.PagesPerExtent) + page;
                if ((extent.Zero >> page & 1) != 0) found[number] = 0;
                if ((extent.Present >> page & 1) == 0) continue;
                var octets = chunk.Pages.Slice(index * Paging.PageSize, Paging.PageSize);
                Assert.True(octets.SequenceEqual(Content(octets[0])));
                Assert.Equal(_hasher.Hash(octets), chunk.Hashes[index]);
                found[number] = octets[0];
                index++;
            }
        }
        Assert.Equal(index, chunk.PageCount);
        return found;
    }

    private static void CheckCompare(PageClassifier classifier, PageHashTable table, int extent, byte[] pages, Dictionary<int, byte> model)
    {
        var octets = new byte[Paging.ExtentSize];
        for (var page = 0; page < pages.Length; page++) Content(pages[page]).CopyTo(octets.AsSpan(page * Paging.PageSize));
        var differ = classifier.Compare(extent, octets, table.Extent(extent));
        for (var page = 0; page < pages.Length; page++)
        {
            var before = model.GetValueOrDefault((extent * Paging.PagesPerExtent) + page);
            Assert.Equal(before != pages[page] && pages[page] != 0, (differ.Present >> page & 1) != 0);
            Assert.Equal(before != pages[page] && pages[page] == 0, (differ.Zero >> page & 1) != 0);
        }
    }

    private (int Changed, int Zeroed) Emit(PageClassifier classifier, PageHashTable table, byte content)
    {
        using var chunk = _pool.TryRent()!;
        Content(content).CopyTo(chunk.Buffer);
        chunk.Add(new ExtentPages(0, 1, 0));
        return classifier.Classify(chunk, table);
    }

    private static byte[] Content(byte value)
    {
        var page = new byte[Paging.PageSize];
        Array.Fill(page, value);
        return page;
    }
}
