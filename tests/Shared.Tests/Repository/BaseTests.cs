using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class BaseTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", 8 << 20);

    [Fact]
    public async Task A_long_line_of_checkpoints_needs_none_of_those_before_and_no_extent_is_spread_over_more_than_eight_sections()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(50);
        var last = await model.TakeAsync(repository.Open);
        for (var round = 0; round < 20; round++)
        {
            model.FillPage(0, 3 * round);
            model.ClearPage(0, 200 + round);
            var next = await TakeChangesAsync(repository.Open, model, last, (0, 1UL << (3 * round % 64)), (3, 1UL << (8 + round)));
            await repository.Open.ForgetAsync(last.Id, default);
            await repository.Open.CollectGarbageAsync(false, default);
            last = next;
        }
        await repository.AssertHoldsAsync(last, model);
        await repository.AssertSoundAsync();
        await using var reader = await repository.Open.OpenCheckpointAsync(last, default);
        Assert.All(
            Enumerable.Range(0, Ram.ExtentCount),
            extent => Assert.InRange(reader.Guest(null).Manifest.Maps[0].EntriesOf(extent).Length, 0, BlockMap.MaxEntries));
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("cut")]
    [InlineData("head")]
    public async Task Sections_of_a_base_that_are_lost_are_stored_again_and_heal_what_needs_them(string loss)
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(100);
        var first = await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 1 << 20 });
        var pack = repository.PackPaths[0];
        switch (loss)
        {
            case "gone": File.Delete(pack); break;
            case "cut":
                using (var file = File.OpenWrite(pack)) file.SetLength(file.Length / 2);
                break;
            default:
                var octets = File.ReadAllBytes(pack);
                // The first masks of the first section: behind the pack's header and the section's first fields.
                octets[300] ^= 1;
                File.WriteAllBytes(pack, octets);
                break;
        }
        Assert.False((await repository.VerifyAsync()).IsSound);
        await using (var based = await repository.Open.OpenCheckpointAsync(first, default))
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, based.Guest(null), default);
            guest.Description = model.Description;
            long pages = 0;
            var known = await writer.ReadKnownPagesAsync(guest, (_, extent, hashes) => pages += hashes.Length, default);
            Assert.InRange(known.LostSections, 1, 2);
            Assert.Equal(pages, known.Pages);
            Assert.InRange(pages, 1, Ram.PageCount - 1);
            // What a capture does: everything is read, and only what is not known goes on.
            await model.WriteAllAsync(repository.Open, writer, guest);
            var second = await writer.CommitAsync(default);
            Assert.InRange(second.Guests[0].StoredBytes, 1 << 19, 6 << 20);
        }
        foreach (var checkpoint in await repository.Open.ListAsync(default)) await repository.AssertHoldsAsync(checkpoint, model);
    }

    [Fact]
    public async Task An_equal_section_whose_pack_is_gone_is_not_taken_for_stored()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(60);
        await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 1 << 20 });
        File.Delete(repository.PackPaths[0]);
        var second = await model.TakeAsync(repository.Open);
        await repository.AssertHoldsAsync(second, model);
        foreach (var checkpoint in await repository.Open.ListAsync(default)) await repository.AssertHoldsAsync(checkpoint, model);
    }

    private static async Task<CheckpointInfo> TakeChangesAsync(
        DirectoryRepository repository, GuestModel model, CheckpointInfo last, params (int, ulong)[] extents)
    {
        await using var based = await repository.OpenCheckpointAsync(last, default);
        await using var writer = await repository.BeginAsync(new CheckpointOptions(), default);
        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, based.Guest(null), default);
        guest.Description = model.Description;
        await writer.AppendAsync(guest, writer.Encode(model.Chunk(repository, 0, extents)), default);
        return await writer.CommitAsync(default);
    }
}
