using Cutpoint.Guests;
using Cutpoint.Tests;
using Cutpoint.Units;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Workers.Tests.Reference;

public sealed class ReferenceCaptureTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly ReferenceDriver _driver;
    private readonly UnitStore _store = new();

    public ReferenceCaptureTests() => _driver = new(_time);

    public void Dispose()
    {
        _driver.Dispose();
        _store.Dispose();
    }

    [Fact]
    public async Task A_capture_votes_with_numbers_stops_thaws_and_says_when()
    {
        var guest = Guest("reference:a?ram=8MiB");
        await using var capture = await OpenAsync("reference:a", new() { Downtime = TimeSpan.FromMilliseconds(10) });
        Assert.Equal((CaptureTransport.Direct, CaptureStrategy.Precopy, true), (capture.Transport, capture.Strategy, capture.WasRunning));
        await capture.BeginAsync(_store, default);
        Assert.Equal((8 << 20) + (2 << 20) + (128 << 10), capture.PassBytes);
        await using var save = new LiveSave(capture.Units, _store, new());
        await save.LivePrepareAsync(default);
        await save.ExecutePassAsync(0, default);
        guest.Run(20_000);
        var vote = Assert.Single((await save.VoteAsync(0, default)).Votes);
        var rest = guest.Memory.Sum(m => m.DirtyPages) * Paging.PageSize;
        Assert.Equal((rest, rest), (_store.Expected, capture.PassBytes));
        Assert.Equal(rest, vote.Numbers["rest_bytes"]);
        Assert.True(vote.PredictedPause >= ReferenceCapture.Floor);

        await save.ExecutePassAsync(1, default);
        Assert.Equal(PassVerdict.Converged, (await save.VoteAsync(1, default)).Verdict);
        _time.Advance(TimeSpan.FromSeconds(3));
        var stopped = await capture.StopAsync(default);
        Assert.Equal((_time.GetUtcNow(), false), (stopped.At, guest.IsRunning));
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        _time.Advance(TimeSpan.FromMilliseconds(8));
        var thawed = await capture.ThawAsync(run: true);
        Assert.Equal((TimeSpan.FromMilliseconds(8), true), (thawed!.Value.At - stopped.At, guest.IsRunning));
        Assert.Empty(await capture.FinishAsync(default));
        (await save.CompleteAsync()).ThrowIfFailed();
    }

    [Fact]
    public async Task Background_gives_the_stopped_instant_though_the_guest_runs_during_the_final_pass()
    {
        var guest = Guest("reference:a?ram=8MiB&cpus=2");
        guest.Run(1000);
        await using var capture = await OpenAsync("reference:a", new() { Strategy = CaptureStrategy.Background });
        Assert.True(capture.RunsDuringFinalPass);
        await capture.BeginAsync(_store, default);
        await using var save = new LiveSave(capture.Units, _store, new());
        await save.LivePrepareAsync(default);
        await capture.StopAsync(default);
        await save.SavePrepareAsync(default);
        Assert.NotNull(await capture.ThawAsync(run: true));
        _store.OnRent = () => guest.Run(100);
        _store.OnEmit = () => guest.Run(100);
        await save.SaveExecuteAsync(default);
        await capture.FinishAsync(default);
        (await save.CompleteAsync()).ThrowIfFailed();
        Assert.True(guest.Writes > 1500);

        var expected = Guest("reference:expected?ram=8MiB&cpus=2");
        expected.Run(1000);
        var restored = Guest("reference:restored?ram=8MiB&cpus=2&paused");
        await _store.LoadAsync(restored.Units);
        expected.Stop();
        Assert.Null(expected.FirstDifference(restored));
    }

    [Fact]
    public async Task A_void_cut_is_tried_again_with_what_was_written_meanwhile()
    {
        var guest = Guest("reference:a?ram=8MiB");
        await using var capture = await OpenAsync("reference:a");
        await capture.BeginAsync(_store, default);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            await using var save = new LiveSave(capture.Units, _store, new());
            await save.LivePrepareAsync(default);
            if (attempt == 0) await save.ExecutePassAsync(0, default);
            guest.Run(400);
            Assert.InRange(capture.PassBytes, 1, 400 * Paging.PageSize);
            await capture.StopAsync(default);
            await save.SavePrepareAsync(default);
            await save.SaveExecuteAsync(default);
            if (attempt == 0) await capture.ThawAsync(run: true);
        }
        var restored = Guest("reference:b?ram=8MiB&paused");
        await _store.LoadAsync(restored.Units);
        Assert.Null(guest.FirstDifference(restored));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task A_guest_left_stopped_stays_so_only_when_the_checkpoint_is_safe(bool keep, bool runs)
    {
        var guest = Guest("reference:a");
        await using (var capture = await OpenAsync("reference:a", new() { After = AfterCut.Stop }))
        {
            await capture.BeginAsync(_store, default);
            await capture.StopAsync(default);
            Assert.Null(await capture.ThawAsync(run: false));
            await capture.FinishAsync(default);
            if (keep) capture.Keep();
        }
        Assert.Equal(runs, guest.IsRunning);
    }

    [Fact]
    public async Task A_capture_that_is_just_disposed_leaves_the_guest_running()
    {
        var guest = Guest("reference:a");
        await using (var capture = await OpenAsync("reference:a"))
        {
            await capture.BeginAsync(_store, default);
            await capture.StopAsync(default);
        }
        Assert.True(guest.IsRunning);
    }

    [Fact]
    public async Task A_guest_that_was_paused_stays_paused()
    {
        var guest = Guest("reference:a?paused");
        await using (var capture = await OpenAsync("reference:a"))
        {
            Assert.Equal((false, CaptureStrategy.Stop), (capture.WasRunning, capture.Strategy));
            await capture.BeginAsync(_store, default);
            await capture.StopAsync(default);
            Assert.Null(await capture.ThawAsync(run: true));
        }
        Assert.False(guest.IsRunning);
    }

    [Fact]
    public async Task A_guest_that_ends_is_lost_and_every_later_call_says_so()
    {
        var guest = Guest("reference:a");
        await using var capture = await OpenAsync("reference:a");
        await capture.BeginAsync(_store, default);
        Assert.Null(capture.Loss);
        guest.Kill();
        Assert.True(capture.Lost.IsCancellationRequested);
        Assert.Equal("reference guest a has ended", (await Assert.ThrowsAsync<SnapshotException>(async () => await capture.StopAsync(default))).Message);
    }

    [Fact]
    public async Task One_capture_at_a_time()
    {
        await using (await OpenAsync("reference:a"))
        {
            var refused = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync("reference:a"));
            Assert.Equal((ErrorCode.Locked, true), (refused.Code, refused.IsPreflight));
        }
        await using var next = await OpenAsync("reference:a");
    }

    [Fact]
    public async Task What_a_reference_guest_cannot_do_is_refused_before_anything_happens()
    {
        var stream = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync("reference:a", new() { Transport = CaptureTransport.Stream }));
        Assert.Equal(ErrorCode.Incompatible, stream.Code);
        var pause = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync("reference:a", new() { Downtime = TimeSpan.FromTicks(1) }));
        Assert.Equal(ErrorCode.NotConverged, pause.Code);
        Guest("reference:a?seed=1");
        var other = Assert.Throws<SnapshotException>(() => Guest("reference:a?seed=2"));
        Assert.Equal(ErrorCode.Usage, other.Code);
    }

    private ReferenceGuest Guest(string uri) => _driver.Guest(GuestUri.Parse(uri));

    private Task<IGuestCapture> OpenAsync(string uri, CaptureOptions? options = null) => _driver.OpenAsync(GuestUri.Parse(uri), options ?? new(), default);
}
