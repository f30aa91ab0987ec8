using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class JobTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", (2 << 20) + (3 * Paging.PageSize));

    [Fact]
    public async Task Pages_of_later_passes_take_the_place_of_earlier_ones()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(70);
        CheckpointInfo info;
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
            guest.Description = model.Description;
            await model.WriteAllAsync(repository.Open, writer, guest);
            var random = new Random(2);
            // Enough passes over single pages that extents are spread over more sections than a manifest takes.
            for (var pass = 0; pass < 40; pass++)
            {
                var extent = random.Next(2);
                var page = random.Next(64);
                if (random.Next(4) == 0) model.ClearPage(0, (extent * 64) + page);
                else model.FillPage(0, (extent * 64) + page);
                await writer.AppendAsync(guest, writer.Encode(model.Chunk(repository.Open, 0, (extent, 1UL << page))), default);
            }
            info = await writer.CommitAsync(default);
        }
        await repository.AssertHoldsAsync(info, model);
        await repository.AssertSoundAsync();
        await using var reader = await repository.Open.OpenCheckpointAsync(info, default);
        for (var extent = 0; extent < Ram.ExtentCount; extent++)
            Assert.InRange(reader.Guest(null).Manifest.Maps[0].EntriesOf(extent).Length, 0, BlockMap.MaxEntries);
    }

    [Fact]
    public async Task Equal_content_is_stored_once_in_a_job_and_over_jobs()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, Ram).Fill(70);
        var first = await model.TakeAsync(repository.Open);
        var second = await model.TakeAsync(repository.Open);
        Assert.Equal(0, first.Guests[0].ReusedBytes);
        Assert.Equal(second.Guests[0].ContentBytes, second.Guests[0].ReusedBytes);
        Assert.InRange(second.Guests[0].StoredBytes, 1, 4096);

        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        foreach (var name in (string[])["a", "b"])
        {
            var guest = await writer.AddGuestAsync(name, model.Blocks, default);
            guest.Description = model.Description with { Name = name };
            model.FillPage(0, 3);
            await model.WriteAllAsync(repository.Open, writer, guest);
            await model.WriteAllAsync(repository.Open, writer, guest);
        }
        var third = await writer.CommitAsync(default);
        Assert.All(third.Guests, guest => Assert.InRange(guest.StoredBytes, 500_000, guest.ContentBytes));
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_checkpoint_may_start_from_another_and_stand_without_it()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(4, Ram, new RamBlock("vga", 16 * Paging.PageSize)).Fill(70);
        var first = await model.TakeAsync(repository.Open);
        CheckpointInfo second;
        await using (var based = await repository.Open.OpenCheckpointAsync(first, default))
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            var hashes = new Dictionary<(int, int), UInt128>();
            await based.Guest(null).ReadHashesAsync(
                (block, pages, list) =>
                {
                    var next = 0;
                    for (var page = 0; page < 64; page++)
                    {
                        if ((pages.Present & (1UL << page)) != 0) hashes.Add((block, (pages.Extent * 64) + page), list[next++]);
                    }
                    Assert.Equal(list.Length, next);
                },
                default);
            for (var block = 0; block < 2; block++)
            {
                for (var page = 0; page < model.Blocks[block].PageCount; page++)
                {
                    var octets = model.Memory[block].AsSpan(page * Paging.PageSize, Paging.PageSize).ToArray();
                    Assert.Equal(!Cutpoint.Compression.ZeroPages.IsZero(octets), hashes.TryGetValue((block, page), out var hash));
                    if (hash != default) Assert.Equal(repository.Open.Hasher.Hash(octets), hash);
                }
            }
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, based.Guest(null), default);
            guest.Description = model.Description;
            model.FillPage(0, 10);
            model.ClearPage(0, 70);
            await writer.AppendAsync(guest, writer.Encode(model.Chunk(repository.Open, 0, (0, 1UL << 10), (1, 1UL << 6))), default);
            second = await writer.CommitAsync(default);
        }
        Assert.InRange(second.Guests[0].StoredBytes, 1, 12_000);
        Assert.Equal(second.Guests[0].ContentBytes - Paging.PageSize, second.Guests[0].ReusedBytes);
        await repository.Open.ForgetAsync(first.Id, default);
        var report = await repository.Open.CollectGarbageAsync(false, default);
        Assert.Empty(report.UnusedPacks);
        await repository.AssertHoldsAsync(second, model);
        Assert.Empty((await repository.RepairAsync()).Findings);
        // The pack of the first goes on being needed, and its commit record in it goes on being there, but forgotten is forgotten.
        Assert.Equal(second.Id, Assert.Single(await repository.Open.ListAsync(default)).Id);
        await repository.AssertHoldsAsync(second, model);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task Without_a_commit_nothing_is_listed_and_nothing_is_left()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(5, Ram).Fill(70);
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions { PackSize = 1 << 18 }, default))
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
            await model.WriteAllAsync(repository.Open, writer, guest);
            await writer.FlushAsync(default);
            Assert.NotEmpty(repository.PackPaths);
            Assert.True(Directory.Exists(writer.ScratchDirectory));
            Assert.Contains(
                await repository.Open.ExamineAsync(default), finding =>
                    finding.Severity == DoctorSeverity.Note && finding.Message.Contains("take by process"));
        }
        Assert.Empty(await repository.Open.ListAsync(default));
        Assert.Empty(repository.PackPaths);
        Assert.Empty(await repository.Open.ExamineAsync(default));
    }

    [Fact]
    public async Task A_cancelled_commit_lists_nothing()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(6, Ram).Fill(30);
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
            guest.Description = model.Description;
            await model.WriteAllAsync(repository.Open, writer, guest);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await writer.CommitAsync(new CancellationToken(true)));
        }
        Assert.Empty(await repository.Open.ListAsync(default));
        Assert.Empty(repository.PackPaths);
    }

    [Fact]
    public async Task Two_jobs_at_once_with_the_same_content_both_commit()
    {
        await using var repository = await CreateAsync();
        await using var other = await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);
        var taken = await Task.WhenAll(Enumerable.Range(0, 6).Select(number => Task.Run(async () =>
        {
            using var model = new GuestModel(8, Ram).Fill(60);
            if (number % 3 == 0) model.FillPage(0, number);
            return await model.TakeAsync(number % 2 == 0 ? repository.Open : other, new CheckpointOptions { PackSize = 1 << 19 });
        })));
        Assert.Equal(taken.Select(one => one.Id).Order(), (await other.ListAsync(default)).Select(one => one.Id).Order());
        await repository.AssertSoundAsync();
        foreach (var one in taken[1..]) await other.ForgetAsync(one.Id, default);
        await repository.Open.CollectGarbageAsync(false, default);
        await repository.AssertSoundAsync();
        using var first = new GuestModel(8, Ram).Fill(60);
        first.FillPage(0, 0);
        await repository.AssertHoldsAsync(taken[0], first);
    }

    [Fact]
    public async Task Garbage_is_collected_beside_a_job_that_reuses_what_was_forgotten()
    {
        await using var repository = await CreateAsync();
        await using var collector = await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);
        using var model = new GuestModel(9, Ram).Fill(60);
        var first = await model.TakeAsync(repository.Open);
        CheckpointInfo second;
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
            guest.Description = model.Description;
            var encoded = writer.Encode(
                model.Chunk(
                    repository.Open, 0, [.. Enumerable.Range(0, Ram.ExtentCount).Select(extent => (extent, model.AllPages(0, extent)))]));
            Assert.NotNull(encoded.Existing);
            await collector.ForgetAsync(first.Id, default);
            var kept = await collector.CollectGarbageAsync(false, default);
            Assert.Empty(kept.UnusedPacks);
            Assert.Empty(kept.LeftoverPacks);
            Assert.Empty(kept.DeadJobs);
            await writer.AppendAsync(guest, encoded, default);
            second = await writer.CommitAsync(default);
        }
        await repository.AssertHoldsAsync(second, model);
        await collector.ForgetAsync(second.Id, default);
        Assert.Equal(2, (await collector.CollectGarbageAsync(false, default)).UnusedPacks.Count);
        Assert.Empty(repository.PackPaths);
        Assert.Empty(Directory.GetFiles(Path.Combine(repository.Location.Directory, "forgotten")));
    }

    [Fact]
    public async Task An_open_reader_keeps_what_is_forgotten_until_it_is_closed()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(10, Ram).Fill(60);
        var taken = await model.TakeAsync(repository.Open);
        await using (var reader = await repository.Open.OpenCheckpointAsync(taken, default))
        {
            await repository.Open.ForgetAsync(taken.Id, default);
            Assert.Empty((await repository.Open.CollectGarbageAsync(false, default)).UnusedPacks);
            await model.AssertEqualAsync(reader.Guest(null));
        }
        Assert.Single((await repository.Open.CollectGarbageAsync(false, default)).UnusedPacks);
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await repository.Open.OpenCheckpointAsync(taken, default));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    [Fact]
    public async Task A_second_guest_of_one_name_and_empty_names_are_refused_before_anything_is_written()
    {
        await using var repository = await CreateAsync();
        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        await writer.AddGuestAsync("a", [Ram], default);
        foreach (var name in (string[])["a", "", new string('x', 256)])
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(async () => await writer.AddGuestAsync(name, [Ram], default));
            Assert.Equal(ErrorCode.Usage, error.Code);
        }
        await Assert.ThrowsAsync<SnapshotException>(
            async () => await repository.Open.BeginAsync(new CheckpointOptions { Name = "" }, default));
        Assert.Empty(repository.PackPaths);
    }

    [Fact]
    public async Task Encoding_allocates_nothing_per_page()
    {
        await using var repository = await CreateAsync();
        using var encoder = new SectionEncoder(Cutpoint.Compression.Codec.Default);
        using var model = new GuestModel(11, new RamBlock("ram", Paging.SectionSize)).Fill(100);
        var extents = Enumerable.Range(0, 16).Select(extent => (extent, ulong.MaxValue)).ToArray();
        long allocated = 0;
        for (var round = 0; round < 10; round++)
        {
            var chunk = model.Chunk(repository.Open, 0, extents);
            var before = GC.GetAllocatedBytesForCurrentThread();
            using (encoder.Encode(chunk)) allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Assert.InRange(allocated, 0, 1024);
    }

    [Fact]
    public async Task A_large_device_state_comes_back_whole()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(12, Ram);
        var state = new byte[(2 * Paging.SectionSize) + 12345];
        new Random(13).NextBytes(state);
        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions { PackSize = 1 << 20 }, default);
        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        var unit = new Cutpoint.Units.UnitKey("big", 0);
        await writer.AppendAsync(guest, new DeviceState(unit, 1, new byte[] { 1 }), default);
        await writer.AppendAsync(guest, new DeviceState(unit, 2, state), default);
        await writer.AppendAsync(guest, new DeviceState(unit with { Instance = 1 }, 2, ReadOnlyMemory<byte>.Empty), default);
        var info = await writer.CommitAsync(default);
        await using var reader = await repository.Open.OpenCheckpointAsync(info, default);
        var devices = reader.Guest(null).Manifest.Devices;
        Assert.Equal([2u, 2u], devices.Select(device => device.Version));
        Assert.Equal(state, await reader.Guest(null).ReadStateAsync(devices[0], default));
        Assert.Empty(await reader.Guest(null).ReadStateAsync(devices[1], default));
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task Jobs_readers_and_collections_side_by_side_lose_nothing_and_leave_nothing()
    {
        await using var repository = await CreateAsync();
        using var done = new CancellationTokenSource();
        var collecting = Task.Run(async () =>
        {
            await using var open = await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);
            while (!done.IsCancellationRequested)
            {
                var report = await open.CollectGarbageAsync(false, default);
                Assert.Empty(report.DeadJobs);
                Assert.Empty(report.LeftoverPacks);
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            await using var open = await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);
            for (var round = 0; round < 12; round++)
            {
                // Few different contents, so that jobs find each other's sections while those are being forgotten.
                using var model = new GuestModel(round % 3, new RamBlock("ram", 40 * Paging.PageSize)).Fill(50);
                var taken = await model.TakeAsync(open);
                await using (var reader = await open.OpenCheckpointAsync(taken, default)) await model.AssertEqualAsync(reader.Guest(null));
                if (round < 11) await open.ForgetAsync(taken.Id, default);
            }
        })));
        await done.CancelAsync();
        await collecting;
        Assert.Equal(4, (await repository.Open.ListAsync(default)).Count);
        await repository.AssertSoundAsync();
        await repository.Open.CollectGarbageAsync(false, default);
        Assert.Empty(await repository.Open.ExamineAsync(default));
    }
}
