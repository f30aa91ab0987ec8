using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class ComparisonTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", (2 << 20) + (3 * Paging.PageSize));
    private static readonly RamBlock Rom = new("rom", 4 * Paging.PageSize, IsReadOnly: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Pages_that_changed_appeared_and_vanished_are_counted_block_by_block(bool isBased)
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram, Rom).Fill(100);
        model.ClearPage(0, 7);
        model.ClearPage(0, 8);
        var first = await model.TakeAsync(repository.Open);
        foreach (var page in (int[])[0, 65, 300, 514]) model.FillPage(0, page);
        model.FillPage(0, 7);
        foreach (var page in (int[])[1, 2, 128]) model.ClearPage(0, page);
        await using var before = await repository.Open.OpenCheckpointAsync(first, default);
        var second = await model.TakeAsync(repository.Open, based: isBased ? before.Guest(null) : null);
        await using var after = await repository.Open.OpenCheckpointAsync(second, default);
        var blocks = await GuestComparison.CompareAsync(before.Guest(null), after.Guest(null), default);
        Assert.Equal(
            [new BlockDifference("pc.ram", Ram.Length, Ram.Length, 4, 1, 3), new BlockDifference("rom", Rom.Length, Rom.Length, 0, 0, 0)], blocks);
        Assert.All(await GuestComparison.CompareAsync(after.Guest(null), after.Guest(null), default), block => Assert.Equal(0, block.Pages));
    }

    [Fact]
    public async Task Blocks_only_one_guest_has_and_blocks_of_another_name_are_told()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram, Rom).Fill(100);
        using var other = new GuestModel(1, Ram with { Name = "/objects/ram0" }, new RamBlock("vga", 2 * Paging.PageSize)).Fill(100);
        await using var before = await repository.Open.OpenCheckpointAsync(await model.TakeAsync(repository.Open), default);
        await using var after = await repository.Open.OpenCheckpointAsync(await other.TakeAsync(repository.Open), default);
        var blocks = await GuestComparison.CompareAsync(before.Guest(null), after.Guest(null), default);
        Assert.Equal(["/objects/ram0", "vga", "rom"], blocks.Select(block => block.Name));
        Assert.Equal((0, Ram.Length), (blocks[0].Pages, blocks[0].LengthBefore));
        Assert.Equal((2, null), (blocks[1].Filled, blocks[1].LengthBefore));
        Assert.Equal((4, null), (blocks[2].Zeroed, blocks[2].LengthAfter));
    }
}
