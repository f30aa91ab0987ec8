using System.Security.Cryptography;
using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Tests;
using Cutpoint.Units;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Workers.Tests.Reference;

public sealed class ReferenceGuestTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void A_seed_means_the_same_memory_in_every_release()
    {
        using var guest = Guest(new() { Ram = 1 << 20, Seed = 7 });
        guest.Run(100);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var page = new byte[Paging.PageSize];
        foreach (var memory in guest.Memory)
        {
            for (var i = 0L; i < memory.Block.PageCount; i++)
            {
                memory.Read(i, page);
                hash.AppendData(page);
            }
        }
        Assert.Equal("7f0e00de329913b0728869f602e87e42245aea24b88ae8b9e13b71ec29ab6190", Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    [Fact]
    public void Shares_of_zero_and_random_pages_are_as_asked_and_the_rest_compresses_like_text()
    {
        using var guest = Guest(new() { Ram = 64 << 20, Zero = 30, Random = 20 });
        var (zero, random, text) = (0, 0, 0);
        var page = new byte[Paging.PageSize];
        for (var i = 0L; i < guest.Memory[0].Block.PageCount; i += 8)
        {
            guest.Memory[0].Read(i, page);
            if (!page.AsSpan().ContainsAnyExcept((byte)0)) zero++;
            else if (Compressed(page) > Paging.PageSize * 0.95) random++;
            else if (Compressed(page) is > 400 and < 2000) text++;
        }
        Assert.InRange(zero, 2048 * 0.26, 2048 * 0.34);
        Assert.InRange(random, 2048 * 0.16, 2048 * 0.24);
        Assert.Equal(2048, zero + random + text);
    }

    [Fact]
    public void Guests_of_equal_options_and_writes_are_equal_and_any_difference_is_found()
    {
        var options = new ReferenceOptions { Ram = 4 << 20, Cpus = 3 };
        using var one = Guest(options);
        using var other = Guest(options);
        one.Run(1000);
        other.Run(999);
        Assert.NotNull(one.FirstDifference(other));
        other.Run(1);
        Assert.Null(one.FirstDifference(other));
        using var seeded = Guest(options with { Seed = 2 });
        Assert.StartsWith("ref.ram: page ", one.FirstDifference(seeded));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        using var young = Guest(options);
        young.Run(1000);
        Assert.Equal("clock/0", one.FirstDifference(young));
    }

    [Fact]
    public void The_workload_keeps_its_pace_by_the_clock_and_only_while_the_guest_runs()
    {
        using var guest = Guest(new() { Dirty = 1000 });
        for (var i = 0; i < 100; i++) _time.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal(1000, guest.Writes);
        guest.Stop();
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, guest.Run(5));
        Assert.Equal((1000, TimeSpan.FromSeconds(1)), (guest.Writes, guest.Uptime));
        guest.Continue();
        _time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.Equal((1500, TimeSpan.FromSeconds(1.5)), (guest.Writes, guest.Uptime));
    }

    [Fact]
    public void Writes_stay_in_the_hot_part_of_the_main_block_and_the_display_and_never_reach_the_rom()
    {
        using var guest = Guest(new() { Ram = 64 << 20, Hot = 1 << 20 });
        guest.Run(100_000);
        Assert.Equal(256, guest.Memory[0].DirtyPages);
        Assert.Equal(512, guest.Memory[1].DirtyPages);
        Assert.Equal(0, guest.Memory[2].DirtyPages);
    }

    [Fact]
    public void A_guest_of_64_GiB_takes_memory_only_for_what_was_written()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var guest = Guest(new() { Ram = 64L << 30, Zero = 99.9, Hot = 64 << 20 });
        guest.Run(10_000);
        var page = new byte[Paging.PageSize];
        guest.Memory[0].Read(guest.Memory[0].Block.PageCount - 1, page);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
    }

    [Fact]
    public async Task A_guest_saved_live_while_it_writes_is_restored_as_it_was_at_the_cut_and_goes_on_alike()
    {
        var options = new ReferenceOptions { Ram = (32 << 20) + 8192, Hot = 32 << 20, Cpus = 2 };
        using var guest = Guest(options);
        using var store = new UnitStore();
        await using var save = await BeginAsync(guest, store);
        // The guest writes at the worst moments: between taking the marks of an extent and reading it, and before what was read is kept.
        store.OnRent = () => guest.Run(7);
        store.OnEmit = () => guest.Run(11);
        var beside = Task.Run(() =>
        {
            for (var i = 0; i < 30_000; i++) guest.Run(1);
        });
        for (var pass = 0U; pass < 3 || !beside.IsCompleted; pass++) await save.ExecutePassAsync(pass, default);
        await beside;
        guest.Stop();
        await FinishAsync(save);
        var writes = guest.Writes;
        Assert.True(writes > 100);

        using var restored = Guest(options with { Paused = true });
        await store.LoadAsync(restored.Units);
        Assert.Null(guest.FirstDifference(restored));
        using var replayed = Guest(options);
        replayed.Run(writes);
        Assert.Null(replayed.Memory[0].FirstDifference(restored.Memory[0]));

        guest.Continue();
        restored.Continue();
        guest.Run(500);
        restored.Run(500);
        Assert.Null(guest.FirstDifference(restored));
    }

    [Fact]
    public async Task A_pass_after_the_first_reads_only_what_was_written_since()
    {
        using var guest = Guest(new() { Ram = 8 << 20, Zero = 50 });
        using var store = new UnitStore();
        await using var save = await BeginAsync(guest, store);
        await save.ExecutePassAsync(0, default);
        Assert.Equal(guest.Memory.Sum(m => m.Block.PageCount), store.PagesEmitted + store.ZerosEmitted);
        var before = store.PagesEmitted + store.ZerosEmitted;
        guest.Run(50);
        var dirty = guest.Memory.Sum(m => m.DirtyPages);
        await save.ExecutePassAsync(1, default);
        Assert.Equal(dirty, store.PagesEmitted + store.ZerosEmitted - before);
        Assert.Equal(0, guest.Memory.Sum(m => m.DirtyPages));
    }

    [Fact]
    public async Task Pages_that_did_not_arrive_are_read_again()
    {
        using var guest = Guest(new() { Ram = 8 << 20 });
        using var store = new UnitStore();
        guest.BeginReading();
        var capture = new object();
        Assert.True(guest.TryEnter(capture));
        await using (var save = await BeginAsync(guest, store))
        {
            await save.ExecutePassAsync(0, default);
            guest.Run(300);
            store.OnEmit = () => throw new IOException("disk full");
            await Assert.ThrowsAsync<SnapshotException>(() => save.ExecutePassAsync(1, default));
        }
        store.OnEmit = static () => { };
        await using var again = await BeginAsync(guest, store);
        guest.Stop();
        await FinishAsync(again);
        using var restored = Guest(guest.Options with { Paused = true });
        await store.LoadAsync(restored.Units);
        Assert.Null(guest.FirstDifference(restored));
    }

    [Fact]
    public async Task Octets_from_elsewhere_are_kept_as_they_are()
    {
        using var guest = Guest(new() { Ram = 1 << 20 });
        var foreign = new byte[Paging.PageSize];
        foreign[4095] = 1;
        guest.Change(() => guest.Memory[0].Set(3, foreign));
        var almost = new byte[Paging.PageSize];
        guest.Memory[0].Read(NonZero(guest), almost);
        almost[100] ^= 1;
        guest.Change(() => guest.Memory[0].Set(4, almost));
        using var store = new UnitStore();
        await using var save = await BeginAsync(guest, store);
        guest.Stop();
        await FinishAsync(save);
        using var restored = Guest(guest.Options with { Paused = true });
        await store.LoadAsync(restored.Units);
        Assert.Null(guest.FirstDifference(restored));
        var page = new byte[Paging.PageSize];
        restored.Memory[0].Read(3, page);
        Assert.Equal(foreign, page);
        restored.Memory[0].Read(4, page);
        Assert.Equal(almost, page);
    }

    [Fact]
    public async Task State_of_another_version_or_size_is_refused()
    {
        using var guest = Guest(new() { Ram = 2 << 20, Paused = true });
        using var store = new UnitStore();
        await OfflineSave.RunAsync(guest.Units, store, new(), default);
        using var small = Guest(new() { Ram = 1 << 20, Paused = true });
        var fault = await Assert.ThrowsAsync<UnitException>(() => store.LoadAsync(small.Units));
        Assert.Equal((SavedStateStatus.LoadMemorySizeMismatch, ErrorCode.Incompatible), (fault.Status, fault.Code));
        using var single = Guest(new() { Ram = 2 << 20, Paused = true, Cpus = 1 });
        await store.LoadAsync(single.Units);
        using var dual = Guest(new() { Ram = 2 << 20, Paused = true, Cpus = 2 });
        await OfflineSave.RunAsync(dual.Units, store, new(), default);
        Assert.Equal(SavedStateStatus.IntegrityUnitNotFound, (await Assert.ThrowsAsync<UnitException>(() => store.LoadAsync(single.Units))).Status);
    }

    [Theory]
    [InlineData("reference:a", "")]
    [InlineData("reference:a?ram=64GiB&seed=7&zero=99.9&random=0.1&dirty=1000&hot=8KiB&cpus=64&paused", "")]
    [InlineData("reference:a?ram=4097", "ram=4097 is no size")]
    [InlineData("reference:a?ram=0", "ram=0 is no size")]
    [InlineData("reference:a?ram=5TiB", "ram=5TiB is no size")]
    [InlineData("reference:a?ram=99999999999999999999", "ram=99999999999999999999 is no size")]
    [InlineData("reference:a?cpus=65", "cpus=65 is not a whole number from 1 to 64")]
    [InlineData("reference:a?seed=-1", "seed=-1 is not a whole number from 0 to 18446744073709551615")]
    [InlineData("reference:a?zero=101", "zero=101 is no share")]
    [InlineData("reference:a?zero=60&random=50", "zero and random are more than 100 percent together")]
    [InlineData("reference:a?ram=1MiB&hot=2MiB", "hot is larger than ram")]
    [InlineData("reference:a?paused=yes", "paused=yes is no switch")]
    [InlineData("reference:a?size=1GiB", "there is no option 'size'")]
    public void Options_are_checked_with_one_clear_line(string uri, string reason)
    {
        var error = Record.Exception(() => ReferenceOptions.Parse(GuestUri.Parse(uri)));
        if (reason.Length == 0)
        {
            Assert.Null(error);
            return;
        }
        var refused = Assert.IsType<SnapshotException>(error);
        Assert.Equal((ErrorCode.Usage, $"guest '{uri}': {reason}", true), (refused.Code, refused.Message, refused.IsPreflight));
        Assert.NotNull(refused.Advice);
    }

    private static async Task<LiveSave> BeginAsync(ReferenceGuest guest, UnitStore store)
    {
        var save = new LiveSave(guest.Units, store, new());
        await save.LivePrepareAsync(default);
        return save;
    }

    private static async Task FinishAsync(LiveSave save)
    {
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        (await save.CompleteAsync()).ThrowIfFailed();
    }

    private static long NonZero(ReferenceGuest guest)
    {
        var page = new byte[Paging.PageSize];
        for (var i = 0L; ; i++)
        {
            guest.Memory[0].Read(i, page);
            if (page[0] != 0) return i;
        }
    }

    private static long Compressed(byte[] page)
    {
        using var output = new MemoryStream();
        using (var deflate = new System.IO.Compression.DeflateStream(output, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true)) deflate.Write(page);
        return output.Length;
    }

    private ReferenceGuest Guest(ReferenceOptions options) => new("a", options, _time);
}
