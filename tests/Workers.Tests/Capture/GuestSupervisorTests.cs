using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Tests;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Workers.Tests.Capture;

public sealed class GuestSupervisorTests : IDisposable
{
    private const string Uri = "reference:a?ram=16MiB&cpus=2";
    private readonly ManualTime _time = new();
    private readonly ReferenceDriver _driver;
    private readonly ReferenceGuest _guest;

    public GuestSupervisorTests()
    {
        _driver = new ReferenceDriver(_time);
        _guest = _driver.Guest(GuestUri.Parse(Uri));
    }

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task What_is_stored_is_what_the_guest_held_when_it_stopped_though_it_wrote_all_the_time(CaptureStrategy strategy)
    {
        await using var run = await CaptureRun.StartAsync(_driver, wrap: store => new HookedStore(store)
        {
            OnEncode = () => _guest.Run(300),
            OnAppend = () =>
            {
                _guest.Run(300);
                return Task.CompletedTask;
            },
        });
        var checkpoint = await run.TakeAsync(Uri, new CaptureOptions { After = AfterCut.Stop, Strategy = strategy });
        Assert.False(_guest.IsRunning);
        Assert.Equal(strategy == CaptureStrategy.Precopy, _guest.Writes > 0);
        await AssertStoredAsync(run, checkpoint);
    }

    [Fact]
    public async Task A_pass_reports_what_it_read_and_stored_and_every_vote_with_its_numbers()
    {
        await using var run = await CaptureRun.StartAsync(_driver);
        await run.TakeAsync(Uri);
        var pass = run.Passes.First();
        Assert.Equal(0u, pass.Pass);
        Assert.True(pass.PagesRead > 0 && pass.PagesChanged > 0 && pass.PagesChanged < pass.PagesRead);
        var vote = Assert.Single(pass.Votes);
        Assert.Contains("rest_bytes", vote.Numbers.Keys);
        Assert.NotNull(vote.Reason);
        Assert.True(run.FinalPass.IsFinal);
        Assert.Equal(pass.PredictedPause, run.Cut.PredictedPause);
        Assert.True(run.Cut.HeldUntilRelease);
    }

    [Fact]
    public async Task A_guest_that_was_paused_before_stays_paused_and_is_stored()
    {
        using var driver = new ReferenceDriver(_time);
        var guest = driver.Guest(GuestUri.Parse("reference:p?ram=8MiB&paused"));
        await using var run = await CaptureRun.StartAsync(driver);
        var checkpoint = await run.TakeAsync("reference:p?ram=8MiB&paused");
        Assert.False(guest.IsRunning);
        Assert.Equal(CaptureStrategy.Stop, run.Opened.Strategy);
        Assert.Null(run.Cut.Pause);
        Assert.Equal(8 << 20, (await run.ReadBlockAsync(checkpoint, 0)).Length);
    }

    [Fact]
    public async Task A_guest_that_was_to_stay_stopped_runs_again_when_the_job_is_given_up_after_the_cut()
    {
        await using var run = await CaptureRun.StartAsync(_driver);
        await OpenAndPassAsync(run, new CaptureOptions { After = AfterCut.Stop });
        await run.AskAsync<CutHeld>(new MakeCut("j", "g", 1));
        var ended = await run.AskAsync<CutEnded>(new ReleaseCut("j", "g", 1));
        Assert.Null(ended.Cut.ThawedAt);
        Assert.False(_guest.IsRunning);
        await run.CloseAsync(keep: false);
        Assert.True(_guest.IsRunning);
    }

    [Fact]
    public async Task At_the_freeze_limit_the_guest_runs_again_the_cut_is_void_and_another_one_is_possible()
    {
        await using var run = await CaptureRun.StartAsync(_driver, _time);
        await OpenAndPassAsync(run, new CaptureOptions { FreezeLimit = TimeSpan.FromSeconds(2) });
        await run.AskAsync<CutHeld>(new MakeCut("j", "g", 1));
        Assert.False(_guest.IsRunning);
        _time.Advance(TimeSpan.FromSeconds(2));
        var ended = await run.NextAsync<CutEnded>();
        Assert.False(ended.Cut.HeldUntilRelease);
        Assert.True(_guest.IsRunning);

        // A release that comes too late finds nobody held.
        await run.SendAsync(new ReleaseCut("j", "g", 1));
        _guest.Run(1000);
        await run.AskAsync<PassFinished>(new RunPass("j", "g", 5));
        await run.AskAsync<CutHeld>(new MakeCut("j", "g", 2));
        Assert.True((await run.AskAsync<CutEnded>(new ReleaseCut("j", "g", 2))).Cut.HeldUntilRelease);
        await run.AskAsync<GuestDrained>(new DrainGuest("j", "g"));
        await run.CloseAsync(keep: true);
    }

    /// <summary>Another guest of the group did not hold: known before the release, or only after it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_cut_that_another_guest_has_made_void_another_one_is_possible(bool isKnown)
    {
        await using var run = await CaptureRun.StartAsync(_driver);
        await OpenAndPassAsync(run, new CaptureOptions());
        await run.AskAsync<CutHeld>(new MakeCut("j", "g", 1));
        Assert.Equal(!isKnown, (await run.AskAsync<CutEnded>(new ReleaseCut("j", "g", 1, IsVoid: isKnown))).Cut.HeldUntilRelease);
        Assert.True(_guest.IsRunning);

        _guest.Run(1000);
        await run.AskAsync<PassFinished>(new RunPass("j", "g", 5));
        await run.AskAsync<CutHeld>(new MakeCut("j", "g", 2));
        Assert.True((await run.AskAsync<CutEnded>(new ReleaseCut("j", "g", 2))).Cut.HeldUntilRelease);
        await run.AskAsync<GuestDrained>(new DrainGuest("j", "g"));
        await run.CloseAsync(keep: true);
    }

    [Fact]
    public async Task A_final_pass_that_takes_too_long_ends_with_a_running_guest_and_a_void_cut()
    {
        var slow = new Interruption("stopped", 1, () =>
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            return Task.CompletedTask;
        });
        await using var late = await CaptureRun.StartAsync(slow.Around(_driver), _time);
        await OpenAndPassAsync(late, new CaptureOptions { FreezeLimit = TimeSpan.FromSeconds(1) });
        var ended = await late.AskAsync<CutEnded>(new MakeCut("j", "g", 1));
        Assert.False(ended.Cut.HeldUntilRelease);
        Assert.True(_guest.IsRunning);
    }

    [Fact]
    public async Task A_guest_that_dies_in_a_pass_is_reported_with_the_reason()
    {
        var appends = 0;
        await using var run = await CaptureRun.StartAsync(_driver, wrap: store => new HookedStore(store)
        {
            OnAppend = () =>
            {
                if (Interlocked.Increment(ref appends) == 2) _guest.Kill();
                return Task.CompletedTask;
            },
        });
        var error = await Assert.ThrowsAsync<SnapshotException>(() => run.TakeAsync(Uri));
        Assert.Contains("has ended", error.Message, StringComparison.Ordinal);
        await run.CloseAsync();
    }

    [Fact]
    public async Task Scratch_files_are_gone_when_the_guest_is_closed()
    {
        var directory = Directory.CreateTempSubdirectory("cutpoint-scratch-").FullName;
        await using (var run = await CaptureRun.StartAsync(_driver)) await run.TakeAsync(Uri, new CaptureOptions { ScratchDirectory = directory });
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory));
        Directory.Delete(directory);
    }

    [Fact]
    public Task Wherever_a_capture_is_cancelled_the_guest_runs_on_and_nothing_is_listed() => InterruptEverywhereAsync(
        run => run.SendAsync(new CloseGuest("j", "g", Keep: false)).AsTask());

    [Fact]
    public Task Wherever_a_capture_fails_the_guest_runs_on_and_nothing_is_listed() => InterruptEverywhereAsync(
        _ => Task.FromException(new SnapshotException(ErrorCode.NoSpace, "no space left")));

    private async Task InterruptEverywhereAsync(Func<CaptureRun, Task> act)
    {
        foreach (var place in Interruption.Places)
        {
            for (var at = 1; ; at++)
            {
                CaptureRun? current = null;
                var interruption = new Interruption(place, at, () => act(current!));
                await using var run = current = await CaptureRun.StartAsync(interruption.Around(_driver), wrap: interruption.Around);
                try
                {
                    await run.TakeAsync(Uri);
                    Assert.Single(await run.Repository.ListAsync(default));
                    if (!interruption.Happened)
                    {
                        Assert.True(at > 1, place);
                        break;
                    }
                }
                catch (SnapshotException error)
                {
                    Assert.True(error.Code is ErrorCode.Cancelled or ErrorCode.NoSpace, $"at {place} {at}: {error}");
                    Assert.Empty(await run.Repository.ListAsync(default));
                }
                if (!run.Reports.OfType<GuestClosed>().Any()) await run.FinishAsync();
                Assert.True(_guest.IsRunning, $"paused after {place} {at}");
                _guest.Run(100);
            }
        }
    }

    private static async Task OpenAndPassAsync(CaptureRun run, CaptureOptions options)
    {
        await run.AskAsync<GuestOpened>(new OpenGuest("j", "g", Uri, options, "zstd"));
        await run.AskAsync<PassFinished>(new RunPass("j", "g", 0));
    }

    private async Task AssertStoredAsync(CaptureRun run, CheckpointInfo checkpoint)
    {
        var page = new byte[Paging.PageSize];
        for (var block = 0; block < _guest.Memory.Count; block++)
        {
            var stored = await run.ReadBlockAsync(checkpoint, block);
            var memory = _guest.Memory[block];
            for (long number = 0; number < memory.Block.PageCount; number++)
            {
                memory.Read(number, page);
                Assert.True(page.AsSpan().SequenceEqual(stored.AsSpan((int)(number * Paging.PageSize), Paging.PageSize)), $"{memory.Block.Name}: page {number}");
            }
        }
    }
}
