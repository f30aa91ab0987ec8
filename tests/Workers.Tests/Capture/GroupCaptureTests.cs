using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Tests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Reference;
using Cutpoint.Workers.Tests.Qemu;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>What a worker does for a guest that is one of several.</summary>
public sealed class GroupCaptureTests
{
    private static readonly CaptureOptions InGroup = new() { GroupSize = 2, FreezeLimit = ToyGuest.FreezeLimit };

    [Fact]
    public async Task An_aligning_pass_rests_before_it_begins_and_has_no_votes()
    {
        var time = new ManualTime();
        using var driver = new ReferenceDriver(time);
        await using var run = await CaptureRun.StartAsync(driver, time);
        await run.AskAsync<GuestOpened>(new OpenGuest("j", "g", "reference:a?ram=8MiB", InGroup, "zstd"));
        await run.AskAsync<PassFinished>(new RunPass("j", "g", 0));
        var aligned = run.AskAsync<PassFinished>(new RunPass("j", "g", 1, IsAligning: true));
        // The run itself loses its patience with a pass that never begins.
        while (!aligned.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }
        Assert.True((await aligned).Report.IsAligning);
        Assert.Empty((await aligned).Report.Votes);
    }

    [Fact]
    public async Task An_aligning_pass_that_has_not_begun_gives_way_to_the_next_command()
    {
        var time = new ManualTime();
        using var driver = new ReferenceDriver(time);
        await using var run = await CaptureRun.StartAsync(driver, time);
        await run.AskAsync<GuestOpened>(new OpenGuest("j", "g", "reference:a?ram=8MiB", InGroup, "zstd"));
        await run.AskAsync<PassFinished>(new RunPass("j", "g", 0));
        await run.SendAsync(new RunPass("j", "g", 1, IsAligning: true));
        var common = await run.AskAsync<PassFinished>(new RunPass("j", "g", 2));
        Assert.Equal(2u, common.Report.Pass);
        Assert.NotEmpty(common.Report.Votes);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, (await run.AskAsync<CutPrepared>(new PrepareCut("j", "g", 1))).Epoch);
    }

    [Fact]
    public async Task No_final_pass_begins_before_the_last_guest_of_the_job_stands_still()
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        await using var run = await PreparedAsync(driver);
        await run.SendAsync(new MakeCut("j", "a", 1));
        var held = run.NextAsync<CutHeld>();
        while (driver.Guest(GuestUri.Parse("reference:a")).IsRunning) await Task.Yield();
        Assert.False(held.IsCompleted);
        await run.SendAsync(new MakeCut("j", "b", 1));
        Assert.Equal(["a", "b"], new[] { (await held).Guest, (await run.NextAsync<CutHeld>()).Guest }.Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_that_is_not_stopped_after_all_keeps_nobody_waiting(bool fails)
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        await using var run = await PreparedAsync(driver);
        await run.SendAsync(new MakeCut("j", "a", 1));
        if (fails)
        {
            driver.Guest(GuestUri.Parse("reference:b")).Kill();
            await run.SendAsync(new MakeCut("j", "b", 1));
        }
        else
        {
            await run.SendAsync(new CloseGuest("j", "b", Keep: false));
        }
        List<string> said = [];
        for (var i = 0; i < 2; i++) said.Add((await run.NextAnyAsync()).GetType().Name);
        Assert.Equal([nameof(CutHeld), fails ? nameof(GuestFailed) : nameof(GuestClosed)], said.Order());
    }

    [Fact]
    public async Task A_worker_that_ends_puts_its_guests_back_side_by_side()
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        var (other, met) = (new TaskCompletionSource(), false);
        var first = new Interruption(Interruption.Closing, 1, async () =>
        {
            await other.Task.WaitAsync(TimeSpan.FromMinutes(1));
            met = true;
        });
        var second = new Interruption(Interruption.Closing, 2, () =>
        {
            other.SetResult();
            return Task.CompletedTask;
        });
        var run = await PreparedAsync(second.Around(first.Around(driver)));
        await run.DisposeAsync();
        Assert.True(met);
    }

    /// <summary>Against a real QEMU: it stands still until the release, a void attempt leaves it running, and another one is whole.</summary>
    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Background)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task A_guest_read_by_its_stream_is_held_until_the_release_and_can_be_cut_again(CaptureStrategy strategy)
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16392K");
        await using var other = await ToyGuest.StartAsync();
        var time = new ManualTime();
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System), time);
        var cuts = await StreamCuts.OpenAsync(run, guest, strategy);
        await cuts.HoldAsync();
        var counter = guest.Counter;
        // For as long as another one takes to count on.
        for (var count = 0; count < 3; count++) await other.WaitUntilItCountsAsync();
        Assert.InRange(guest.Counter, counter, counter + 1);
        time.Advance(StreamCuts.FreezeLimit);
        Assert.False((await run.NextAsync<CutEnded>()).Cut.HeldUntilRelease);
        await guest.WaitUntilItCountsAsync();

        await cuts.HoldAsync();
        await cuts.EndAsync();
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
    }

    /// <summary>Against a real QEMU: this guest was held until its release, and only then it became known that another one was not.</summary>
    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Background)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task A_guest_read_by_its_stream_can_be_cut_again_after_a_release_that_came_to_nothing(CaptureStrategy strategy)
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16392K");
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        var cuts = await StreamCuts.OpenAsync(run, guest, strategy);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            await cuts.HoldAsync();
            await cuts.ReleaseAsync();
            await guest.WaitUntilItCountsAsync();
        }
        await cuts.HoldAsync();
        var counter = guest.Counter;
        var checkpoint = await cuts.EndAsync();
        await guest.WaitUntilItCountsPastAsync(counter);
        Assert.Equal(0, await guest.VerifyAsync());
        // One may be: the guest was stopped while it wrote it.
        Assert.InRange(ToyPages.CountBad(await run.ReadBlockAsync(checkpoint, "pc.ram")), 0, 1);
    }

    /// <summary>Against a real QEMU: its stream begins anew and brings all of the memory first, which says nothing about what the guest writes.</summary>
    [Fact]
    public async Task The_votes_after_a_void_cut_know_nothing_of_the_attempt_before_it()
    {
        // A QEMU that is through with its passes before it can be held is read at the stop, all of it, and says so; on a busy host that happens now and then.
        const int Attempts = 10;
        for (var attempt = 1; ; attempt++)
        {
            await using var guest = await ToyGuest.StartAsync("-m", "65544K");
            await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
            var cuts = await StreamCuts.OpenAsync(run, guest, CaptureStrategy.Precopy);
            await cuts.HoldAsync();
            await cuts.ReleaseAsync();
            await cuts.HoldAsync();
            await cuts.EndAsync();
            // Unknown, or by QEMU's own count.
            var rests = run.Passes.Select(pass => Assert.Single(pass.Votes).Numbers.GetValueOrDefault("rest_bytes")).ToList();
            if (rests.TrueForAll(rest => rest is >= 0 and <= 32 << 20)) return;
            Assert.True(attempt < Attempts, $"octets left by the votes: {string.Join(", ", rests)}");
        }
    }

    /// <summary>Two guests with nothing between them and their stop.</summary>
    private static async Task<CaptureRun> PreparedAsync(IGuestDriver driver)
    {
        var run = await CaptureRun.StartAsync(driver);
        foreach (var guest in (string[])["a", "b"])
        {
            await run.AskAsync<GuestOpened>(new OpenGuest("j", guest, $"reference:{guest}?ram=8MiB", InGroup, "zstd"));
            await run.AskAsync<PassFinished>(new RunPass("j", guest, 0));
            await run.AskAsync<CutPrepared>(new PrepareCut("j", guest, 1));
        }
        return run;
    }
}
