using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Reference;
using Cutpoint.Workers.Tests.Qemu;
using Cutpoint.Workers.Tests.Restore;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>Checkpoints that start from what is stored already.</summary>
public sealed class IncrementalCaptureTests : IDisposable
{
    private readonly ReferenceDriver _reference = new(TimeProvider.System);

    public void Dispose() => _reference.Dispose();

    [Theory]
    [InlineData(CaptureTransport.Direct)]
    [InlineData(CaptureTransport.Stream)]
    public async Task A_second_checkpoint_of_a_QEMU_stores_what_changed_and_is_whole_without_the_first(CaptureTransport transport)
    {
        await using var guest = await ToyGuest.StartAsync(TakenToy.FileRam);
        var driver = new QemuDriver(guest.SessionOptions, TimeProvider.System);
        await using var first = await CaptureRun.StartAsync(driver);
        var before = await first.TakeAsync($"qemu:{guest.Socket}", new CaptureOptions { Transport = transport });
        await guest.WaitUntilItCountsAsync();
        await using var second = await CaptureRun.StartAsync(driver, into: first.Repository, start: JobPlan.LatestBase);
        var after = await second.TakeAsync($"qemu:{guest.Socket}", new CaptureOptions { Transport = transport, After = AfterCut.Stop });

        var record = await BaseOfAsync(first.Repository, after);
        Assert.Equal((before.Id.ToString(), "g", 0), (record!.Checkpoint, record.Guest, record.LostSections));
        Assert.InRange(record.Pages, 500, 17 << 8);
        // The guest rewrites its 2 MiB of self-checking pages all the time; what it booted from stays.
        Assert.InRange(after.Guests[0].ReusedBytes, after.Guests[0].ContentBytes / 8, after.Guests[0].ContentBytes - Paging.PageSize);
        await first.Repository.ForgetAsync(before.Id, default);
        await first.Repository.CollectGarbageAsync(false, default);
        Assert.Empty((await first.Repository.VerifyAsync(new VerifyOptions(), null, default)).Findings);
        // It stands still since the cut, so its RAM file is the truth.
        await using var reader = await first.Repository.OpenCheckpointAsync(after, default);
        var block = reader.Guest(null).Manifest.Blocks.ToList().FindIndex(one => one.Name == "ram0");
        var truth = await File.ReadAllBytesAsync(Path.Combine(guest.Directory, "ram"));
        var stored = await second.ReadBlockAsync(after, block);
        Assert.True(truth.AsSpan().SequenceEqual(stored));
    }

    [Fact]
    public async Task A_guest_that_did_not_change_costs_next_to_nothing()
    {
        await using var first = await CaptureRun.StartAsync(_reference);
        await first.TakeAsync("reference:a?ram=64MiB&paused");
        await using var second = await CaptureRun.StartAsync(_reference, into: first.Repository, start: JobPlan.LatestBase);
        var again = await second.TakeAsync("reference:a?ram=64MiB&paused");
        Assert.Equal(again.Guests[0].ContentBytes, again.Guests[0].ReusedBytes);
        Assert.InRange(again.Guests[0].StoredBytes, 1, 64 << 10);
        Assert.Equal(0, second.FinalPass.PagesChanged);
    }

    [Fact]
    public async Task Pages_of_the_base_that_the_guest_no_longer_has_become_zero()
    {
        await using var first = await CaptureRun.StartAsync(_reference);
        await first.TakeAsync("reference:a?ram=8MiB&zero=0&paused");
        // Another guest of that name and size, most of which was never written.
        using var other = new ReferenceDriver(TimeProvider.System);
        await using var emptier = await CaptureRun.StartAsync(other, into: first.Repository, start: JobPlan.LatestBase);
        var after = await emptier.TakeAsync("reference:a?ram=8MiB&zero=100&random=0&paused");
        await using var full = await CaptureRun.StartAsync(other, into: first.Repository);
        await AssertSameAsync(first.Repository, await full.TakeAsync("reference:a?ram=8MiB&zero=100&random=0&paused"), after);
    }

    [Fact]
    public async Task Known_pages_nobody_looks_at_are_zero_and_those_looked_at_are_not_stored_again()
    {
        using var store = new KnowingStore(new ExtentPages(0, 0b11, 0), new ExtentPages(5, 0b1, 0), new ExtentPages(40, 0b100, 0));
        var guest = new GuestDescription { Driver = "test", Name = "g", Uri = "test:g", Blocks = [new RamBlock("ram", 16 << 20)] };
        await using var graph = new Cutpoint.Workers.Capture.CaptureGraph(
            guest, store, new Cutpoint.Workers.Capture.CaptureGraphOptions { Chunks = 4, CutChunks = 3, Sections = 2 }, TimeProvider.System);
        await graph.StartFromKnownAsync(default);
        var chunk = await graph.Block(0).RentAsync(default);
        KnowingStore.Page(0, 1).CopyTo(chunk.Buffer);
        chunk.Add(new ExtentPages(0, 0b10, 0));
        await graph.Block(0).EmitAsync(chunk, default);
        var seen = new byte[Paging.ExtentSize];
        KnowingStore.Page(40, 2).CopyTo(seen.AsSpan(2 * Paging.PageSize));
        Assert.Equal(new ExtentPages(40, 0, 0), graph.Block(0).Compare(40, seen));
        await graph.ForgetUnseenAsync(default);
        await graph.DrainAsync(default);
        Assert.Equal([new ExtentPages(0, 0, 0b01), new ExtentPages(5, 0, 0b1)], store.Appended);
    }

    [Fact]
    public async Task A_base_with_other_RAM_blocks_is_refused_when_named_and_passed_over_with_a_word_when_not()
    {
        await using var first = await CaptureRun.StartAsync(_reference);
        var small = await first.TakeAsync("reference:a?ram=8MiB&paused");
        using var driver = new ReferenceDriver(TimeProvider.System);
        await using var named = await CaptureRun.StartAsync(driver, into: first.Repository, start: small.Id.ToString());
        var refused = await Assert.ThrowsAsync<SnapshotException>(() => named.TakeAsync("reference:a?ram=16MiB&paused"));
        Assert.Equal(ErrorCode.Incompatible, refused.Code);
        Assert.Contains("other RAM blocks", refused.Message, StringComparison.Ordinal);
        await named.FinishAsync();
        await using var latest = await CaptureRun.StartAsync(driver, into: first.Repository, start: JobPlan.LatestBase);
        var record = await BaseOfAsync(first.Repository, await latest.TakeAsync("reference:a?ram=16MiB&paused"));
        Assert.Null(record!.Checkpoint);
        Assert.Contains("other RAM blocks", record.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_base_that_does_not_exist_is_refused_before_the_guest_is_asked()
    {
        await using var first = await CaptureRun.StartAsync(_reference);
        await first.TakeAsync("reference:a?ram=8MiB&paused");
        var error = await Assert.ThrowsAsync<SnapshotException>(() => CaptureRun.StartAsync(_reference, into: first.Repository, start: "nobody"));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    [Fact]
    public async Task Clones_start_from_the_checkpoint_they_were_restored_from_and_then_from_their_own()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        // A later checkpoint of the same name, of another guest: not what the clones are of.
        await using var stranger = await CaptureRun.StartAsync(_reference, into: taken.Repository);
        await stranger.TakeAsync("reference:a?ram=8MiB&paused");
        // They stand still as they were taken: whatever is stored again is stored for nothing.
        for (var clone = 0; clone < 2; clone++)
        {
            await using var still = await taken.LaunchAsync(taken.Options with { Paused = true });
            await using var run = await CaptureRun.StartAsync(new QemuDriver(still.Guest.SessionOptions, TimeProvider.System), into: taken.Repository, start: JobPlan.LatestBase);
            var same = await run.TakeAsync($"qemu:{still.Guest.Socket}");
            Assert.Equal(taken.Checkpoint.Id.ToString(), (await BaseOfAsync(taken.Repository, same))!.Checkpoint);
            Assert.InRange(same.Guests[0].ContentBytes - same.Guests[0].ReusedBytes, 0, same.Guests[0].ContentBytes * 15 / 100);
        }
        await using var restored = await taken.LaunchAsync();
        var driver = new QemuDriver(restored.Guest.SessionOptions, TimeProvider.System);
        await using var first = await CaptureRun.StartAsync(driver, into: taken.Repository, start: JobPlan.LatestBase);
        var own = await first.TakeAsync($"qemu:{restored.Guest.Socket}");
        await AssertDiffersInProcessorAndPagesAsync(taken.Repository, taken.Checkpoint, own);
        Assert.Equal(taken.Checkpoint.Id.ToString(), (await BaseOfAsync(taken.Repository, own))!.Checkpoint);
        await using var next = await CaptureRun.StartAsync(driver, into: taken.Repository, start: JobPlan.LatestBase);
        Assert.Equal(own.Id.ToString(), (await BaseOfAsync(taken.Repository, await next.TakeAsync($"qemu:{restored.Guest.Socket}")))!.Checkpoint);
    }

    [Fact]
    public async Task A_base_whose_pack_was_lost_is_stored_again_and_the_old_checkpoint_is_whole_again_too()
    {
        await using var first = await CaptureRun.StartAsync(_reference);
        var before = await first.TakeAsync("reference:a?ram=96MiB&zero=10&random=90&paused");
        var packs = Directory.GetFiles(Path.Combine(first.Repository.Directory, "packs")).Order().ToArray();
        Assert.Equal(2, packs.Length);
        File.Delete(packs[0]);
        await using var second = await CaptureRun.StartAsync(_reference, into: first.Repository, start: JobPlan.LatestBase);
        var after = await second.TakeAsync("reference:a");
        var record = await BaseOfAsync(first.Repository, after);
        Assert.Equal(before.Id.ToString(), record!.Checkpoint);
        Assert.InRange(record.LostSections, 10, 20);
        Assert.InRange(record.Pages, 1, 20_000);
        await AssertSameAsync(first.Repository, before, after);
    }

    /// <summary>The clone has run on since: its program counts, and has rewritten some of its pages.</summary>
    private static async Task AssertDiffersInProcessorAndPagesAsync(DirectoryRepository repository, CheckpointInfo before, CheckpointInfo after)
    {
        await using var one = await repository.OpenCheckpointAsync(before, default);
        await using var other = await repository.OpenCheckpointAsync(after, default);
        var blocks = await GuestComparison.CompareAsync(one.Guest(null), other.Guest(null), default);
        Assert.InRange(blocks.Single(block => block.Name == "ram0").Pages, 1, 1000);
        Assert.Equal(0, blocks.Single(block => block.Name == "pc.bios").Pages);
        var devices = await DeviceComparison.CompareAsync(one.Guest(null), other.Guest(null), default);
        var processor = devices.Single(device => device.Name == "cpu");
        Assert.Equal(DeviceChange.Changed, processor.Change);
        Assert.Contains(processor.Fields, field => field.Path.StartsWith("env.regs[", StringComparison.Ordinal) && field.Before != field.After);
        Assert.DoesNotContain(processor.Fields, field => field.Path == "data");
        Assert.Empty(await DeviceComparison.CompareAsync(one.Guest(null), one.Guest(null), default));
    }

    private static async Task<BaseReport?> BaseOfAsync(DirectoryRepository repository, CheckpointInfo checkpoint)
    {
        await using var reader = await repository.OpenCheckpointAsync(checkpoint, default);
        return JsonSerializer.Deserialize(reader.Guest(null).Manifest.Record, JobJson.Default.GuestRecord)!.Base;
    }

    private static async Task AssertSameAsync(DirectoryRepository repository, CheckpointInfo truth, CheckpointInfo found)
    {
        await using var one = await repository.OpenCheckpointAsync(truth, default);
        await using var other = await repository.OpenCheckpointAsync(found, default);
        var blocks = one.Guest(null).Manifest.Blocks;
        Assert.Equal(blocks, other.Guest(null).Manifest.Blocks);
        for (var block = 0; block < blocks.Count; block++)
        {
            var (left, right) = (new byte[blocks[block].Length], new byte[blocks[block].Length]);
            await one.Guest(null).ReadAsync(block, 0, left, default);
            await other.Guest(null).ReadAsync(block, 0, right, default);
            Assert.True(left.AsSpan().SequenceEqual(right), $"RAM block '{blocks[block].Name}'");
        }
    }
}
