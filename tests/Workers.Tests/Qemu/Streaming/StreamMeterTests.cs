using Cutpoint.Guests;
using Cutpoint.Tests;
using Cutpoint.Workers.Qemu.Streaming;

namespace Cutpoint.Workers.Tests.Qemu.Streaming;

/// <summary>How fast the rest of a stream is expected to come while the guest stands still.</summary>
public sealed class StreamMeterTests
{
    private const int Pages = 25_600;

    private readonly ManualTime _time = new();
    private readonly StreamMeter _meter;

    public StreamMeterTests() => _meter = new StreamMeter(_time);

    [Fact]
    public async Task Waiting_for_a_slow_sink_does_not_make_the_stream_slow()
    {
        var (moving, room) = (new TaskCompletionSource(), new TaskCompletionSource<int>());
        var moved = _meter.MoveAsync(moving.Task);
        for (var page = 0; page < Pages; page++) _meter.Page();
        _time.Advance(TimeSpan.FromMilliseconds(500));
        var waited = _meter.WaitAsync(new ValueTask<int>(room.Task));
        _time.Advance(TimeSpan.FromSeconds(60));
        room.SetResult(7);
        Assert.Equal(7, await waited);
        moving.SetResult();
        await moved;
        Assert.Equal(2.0 * Pages * Paging.PageSize, _meter.Rate!.Value, tolerance: 1);
    }

    [Fact]
    public async Task Zero_pages_say_little_of_the_others()
    {
        var moving = new TaskCompletionSource();
        var moved = _meter.MoveAsync(moving.Task);
        for (var page = 0; page < Pages; page++) _meter.Page();
        for (var page = 0; page < 10 * Pages; page++) _meter.ZeroPage();
        _time.Advance(TimeSpan.FromSeconds(1));
        moving.SetResult();
        await moved;
        Assert.InRange(_meter.Rate!.Value, 2.0 * Pages * Paging.PageSize, 3.0 * Pages * Paging.PageSize);
    }

    [Fact]
    public void A_few_pages_are_no_measure() => Assert.Null(_meter.Rate);
}
