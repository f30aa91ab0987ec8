using Cutpoint.Guests;
using Cutpoint.Repository;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Repository;

public class ManifestBuilderTests
{
    private static readonly RamBlock[] Blocks = [new("ram", (3 * Paging.ExtentSize) + (5 * Paging.PageSize)), new(
        "rom", 2 * Paging.PageSize)];

    /// <summary>What a pass says of one extent: every page is absent, present or zero.</summary>
    private sealed record Step(int Block, int Extent, ulong Present, ulong Zero);

    [Fact]
    public void After_any_passes_every_page_comes_from_the_last_section_that_had_it()
    {
        var steps = Gen.ArrayOf(
            from place in Gen.Elements((0, 0), (0, 1), (0, 2), (0, 3), (1, 0))
            from present in Masks()
            from zero in Masks()
            let all = ManifestFormat.PagesOf(Blocks[place.Item1], place.Item2)
            select new Step(place.Item1, place.Item2, present & all, zero & all & ~present));
        Prop.ForAll(steps.ToArbitrary(), Holds).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithEndSize(60));
    }

    [Fact]
    public void A_written_manifest_reads_back_the_same_and_names_only_sections_in_use()
    {
        var builder = Builder();
        for (var number = 0; number < 7; number++)
            builder.Apply(0, [new ExtentPages(1, 3UL << number, 0)], builder.Number(Section(number), false));
        builder.Apply(0, [new ExtentPages(1, 0, 0b11)], 0);
        var built = builder.Build(out var content, out _);
        var read = ManifestFormat.Read(ManifestFormat.Write(built, out var root), 0);
        Assert.Equal(root, read.Root);
        Assert.Equal(6 * Paging.PageSize, content);
        Assert.Equal(0b1111_1100UL, read.PresentPages(0, 1));
        Assert.Equal([1], read.PresentExtents(0).ToArray());
        Assert.Empty(read.PresentExtents(1).ToArray());
        // The pages of the first two sections were all taken over or cleared.
        Assert.Equal(Enumerable.Range(2, 5).Select(number => Section(number).Identity).Reverse(), read.Sections);
        Assert.Equal(root, ManifestFormat.Read(ManifestFormat.Write(read, out _), 0).Root);
    }

    [Fact]
    public void Pages_outside_of_a_block_are_an_error_of_the_caller_and_change_nothing()
    {
        var builder = Builder();
        builder.Apply(0, [new ExtentPages(3, 0x1f, 0)], builder.Number(Section(0), false));
        Assert.Throws<ArgumentException>(() => builder.Apply(0, [new ExtentPages(0, 1, 0), new ExtentPages(3, 0x20, 0)], 0));
        Assert.Throws<ArgumentException>(() => builder.Apply(0, [new ExtentPages(3, 0, 0x20)], 0));
        Assert.Throws<ArgumentException>(() => builder.Apply(0, [new ExtentPages(4, 1, 0)], 0));
        Assert.Throws<ArgumentException>(() => builder.Apply(0, [new ExtentPages(-1, 1, 0)], 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => builder.Apply(2, [new ExtentPages(0, 1, 0)], 0));
        Assert.Empty(builder.EntriesOf(0, 0));
        Assert.Equal(0x1fUL, Assert.Single(builder.EntriesOf(0, 3)).Mask);
    }

    [Fact]
    public void A_sparse_guest_of_64_GiB_takes_little_memory()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var builder = new GuestManifestBuilder("big", [new RamBlock("ram", 64L << 30)]) { Description = Description() };
        var number = builder.Number(Section(0), false);
        for (var extent = 0; extent < 262_144; extent += 4096) builder.Apply(0, [new ExtentPages(extent, 1, 0)], number);
        var manifest = builder.Build(out _, out _);
        Assert.Equal(64, manifest.PresentExtents(0).Length);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void A_full_guest_of_64_GiB_takes_16_octets_per_extent()
    {
        var builder = new GuestManifestBuilder("big", [new RamBlock("ram", 64L << 30)]) { Description = Description() };
        var extents = new ExtentPages[16];
        for (var extent = 0; extent < 262_144; extent += 16)
        {
            for (var index = 0; index < 16; index++) extents[index] = new ExtentPages(extent + index, ulong.MaxValue, 0);
            builder.Apply(0, extents, builder.Number(Section(extent), false));
        }
        var value = ManifestFormat.Write(builder.Build(out var content, out _), out _);
        Assert.Equal(64L << 30, content);
        Assert.InRange(value.Length, 1 << 20, 6 << 20);
        Assert.Equal(16384, ManifestFormat.Read(value, 0).Sections.Length);
    }

    private static bool Holds(Step[] steps)
    {
        var builder = Builder();
        // The model: which step stored each page last.
        var model = new Dictionary<(int Block, int Extent, int Page), int>();
        for (var number = 0; number < steps.Length; number++)
        {
            var step = steps[number];
            builder.Apply(
                step.Block, [new ExtentPages(step.Extent, step.Present, step.Zero)], step.Present == 0 ? 0 : builder.Number(
                    Section(number), number % 2 == 0));
            for (var page = 0; page < 64; page++)
            {
                if ((step.Present & (1UL << page)) != 0) model[(step.Block, step.Extent, page)] = number;
                else if ((step.Zero & (1UL << page)) != 0) model.Remove((step.Block, step.Extent, page));
            }
        }
        var seen = new Dictionary<(int, int, int), int>();
        for (var block = 0; block < Blocks.Length; block++)
        {
            for (var extent = 0; extent < Blocks[block].ExtentCount; extent++)
            {
                var entries = builder.EntriesOf(block, extent);
                Assert.Equal(entries.Count > BlockMap.MaxEntries, builder.Crowded.Contains((block, extent)));
                foreach (var entry in entries)
                {
                    Assert.NotEqual(0UL, entry.Mask);
                    for (var page = 0; page < 64; page++)
                    {
                        // Add throws when two entries name one page.
                        if ((entry.Mask & (1UL << page)) != 0) seen.Add((block, extent, page), builder.Sections[entry.Section].Length);
                    }
                }
            }
        }
        return seen.Count == model.Count && seen.All(page => model.TryGetValue(page.Key, out var number) && number == page.Value);
    }

    private static Gen<ulong> Masks() => Gen.OneOf(
        Gen.Elements(0UL, 1UL, ulong.MaxValue, 1UL << 63, 0xffUL),
        from high in Gen.Choose(int.MinValue, int.MaxValue)
        from low in Gen.Choose(int.MinValue, int.MaxValue)
        select ((ulong)(uint)high << 32) | (uint)low);

    private static GuestManifestBuilder Builder() => new("guest", Blocks) { Description = Description() };

    private static GuestDescription Description() => new() { Driver = "model", Name = "guest", Uri = "model:guest", Blocks = Blocks };

    /// <summary>A section whose length tells its number.</summary>
    private static SectionRef Section(int number) => new(Sha256.Of(BitConverter.GetBytes(number)), new PackId(default, 1), 0, number);
}
