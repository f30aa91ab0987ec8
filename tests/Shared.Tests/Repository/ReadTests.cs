using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class ReadTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", (9 << 20) + (3 * Paging.PageSize));
    private static readonly RamBlock Rom = new("rom", 5 * Paging.PageSize);

    [Fact]
    public async Task Any_range_reads_as_it_was()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram, Rom).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await using var reader = await repository.Open.OpenCheckpointAsync(taken, default);
        var guest = reader.Guest("guest");
        var random = new Random(2);
        for (var round = 0; round < 300; round++)
        {
            var block = random.Next(2);
            var offset = random.NextInt64(model.Blocks[block].Length + 1);
            var length = (int)Math.Min(
                model.Blocks[block].Length - offset, random.Next(4) == 0 ? random.Next(2_000_000) : random.Next(10_000));
            var octets = new byte[length];
            await guest.ReadAsync(block, offset, octets, default);
            Assert.True(model.Memory[block].AsSpan((int)offset, length).SequenceEqual(octets));
        }
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => guest.ReadAsync(1, Rom.Length - 1, new byte[2], default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => guest.ReadAsync(2, 0, new byte[1], default));
    }

    [Fact]
    public async Task Ranges_come_in_their_order_with_every_page_named_once()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, Ram, Rom).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await using var reader = await repository.Open.OpenCheckpointAsync(taken, default);
        BlockRange[] ranges =
        [
            new(1, Paging.PageSize, 2 * Paging.PageSize), new(0, 63 * Paging.PageSize, 2 * Paging.PageSize), new(0, 5 << 20, 4 << 20),
            new(0, 0, 0), new(0, Ram.Length - Paging.PageSize, Paging.PageSize), new(0, 0, 5 << 20),
        ];
        var memory = model.Blocks.Select(block => new byte[block.Length]).ToArray();
        foreach (var block in memory) Array.Fill(block, (byte)0xcc);
        var pages = new List<(int Block, long Page)>();
        await foreach (var chunk in reader.Guests[0].ReadInOrderAsync(ranges, 4, default))
        {
            using (chunk)
            {
                GuestModel.Unpack(chunk, memory[chunk.Block]);
                foreach (var extent in chunk.Extents)
                {
                    Assert.Equal(0UL, extent.Present & extent.Zero);
                    for (var page = 0; page < 64; page++)
                    {
                        if (((extent.Present | extent.Zero) & (1UL << page)) != 0) pages.Add((chunk.Block, (extent.Extent * 64L) + page));
                    }
                }
            }
        }
        var expected = ranges.SelectMany(
            range =>
                Enumerable.Range(0, (int)(range.Length / Paging.PageSize)).Select(
                    page => (range.Block, (range.Offset / Paging.PageSize) + page)));
        Assert.Equal(expected, pages);
        foreach (var range in ranges)
        {
            Assert.True(model.Memory[range.Block].AsSpan((int)range.Offset, (int)range.Length)
                .SequenceEqual(memory[range.Block].AsSpan((int)range.Offset, (int)range.Length)));
        }
    }

    [Fact]
    public async Task A_reader_that_holds_chunks_is_slowed_but_not_stopped_and_leaves_nothing_when_it_breaks_off()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(4, Ram).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await using var reader = await repository.Open.OpenCheckpointAsync(taken, default);
        var held = new Queue<PageChunk>();
        var count = 0;
        await foreach (var chunk in reader.Guests[0].ReadInOrderAsync(
            [new BlockRange(0, 0, 4 << 20), new BlockRange(0, 0, Ram.Length)], 3, default))
        {
            held.Enqueue(chunk);
            if (held.Count == 2) held.Dequeue().Dispose();
            count++;
        }
        Assert.Equal(4, count);
        foreach (var chunk in held) chunk.Dispose();
        await foreach (var chunk in reader.Guests[0].ReadInOrderAsync([new BlockRange(0, 0, Ram.Length)], 3, default))
        {
            chunk.Dispose();
            break;
        }
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var chunk in reader.Guests[0].ReadInOrderAsync([new BlockRange(0, 0, Ram.Length)], 2, cancel.Token))
            {
                chunk.Dispose();
                await cancel.CancelAsync();
            }
        });
    }

    [Fact]
    public async Task An_error_of_the_handler_and_a_cancellation_end_a_bulk_read()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(5, Ram).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await using var reader = await repository.Open.OpenCheckpointAsync(taken, default);
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => reader.Guests[0].ReadPagesAsync((_, _, _) => throw new InvalidOperationException(), 2, null, default));
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => reader.Guests[0].ReadPagesAsync((_, _, _) => cancel.Cancel(), 2, null, cancel.Token));
    }

    [Fact]
    public async Task A_guest_is_found_by_its_name_or_by_being_the_only_one()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(6, Rom).Fill(50);
        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        foreach (var name in (string[])["a", "b"])
        {
            var guest = await writer.AddGuestAsync(name, model.Blocks, default);
            guest.Description = model.Description with { Name = name };
        }
        var taken = await writer.CommitAsync(default);
        await using var reader = await repository.Open.OpenCheckpointAsync(taken, default);
        Assert.Equal("b", reader.Guest("b").Manifest.Name);
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => reader.Guest(null)).Code);
        Assert.Equal(ErrorCode.NotFound, Assert.Throws<SnapshotException>(() => reader.Guest("c")).Code);
    }
}
