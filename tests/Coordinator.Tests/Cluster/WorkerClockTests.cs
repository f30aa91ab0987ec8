using Cutpoint.Coordinator.Cluster;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Tests.Cluster;

public sealed class WorkerClockTests
{
    private static readonly TimeSpan Ms = TimeSpan.FromMilliseconds(1);

    private readonly SettableTime _time = new();
    private readonly WorkerClock _clock;

    public WorkerClockTests() => _clock = new WorkerClock(_time);

    [Fact]
    public void The_fastest_answer_says_how_far_another_clock_is_ahead()
    {
        var ahead = TimeSpan.FromHours(1);
        Beat(there: 40, back: 0, ahead);
        Beat(there: 1, back: 1, ahead);
        Beat(there: 0, back: 90, ahead);
        var stopped = _time.Now;
        _time.Now += 5 * Ms;

        var held = (CutHeld)_clock.Ours(new CutHeld("j", "g", 1, stopped + ahead));

        Assert.Equal(stopped, held.StoppedAt);
    }

    [Fact]
    public void What_is_known_for_certain_counts_more_than_what_a_slow_answer_tells_of_a_clock()
    {
        Beat(there: 80, back: 0, TimeSpan.Zero);
        var begun = _time.Now;
        _clock.Sending(new MakeCut("j", "g", 1));
        _time.Now += Ms;
        var held = (CutHeld)_clock.Ours(new CutHeld("j", "g", 1, begun));
        _clock.Sending(new ReleaseCut("j", "g", 1));
        var released = _time.Now;
        _time.Now += Ms;

        var ended = (CutEnded)_clock.Ours(new CutEnded("j", "g", new CutReport { Epoch = 1, StoppedAt = begun, ThawedAt = released, HeldUntilRelease = true }));

        Assert.True(held.StoppedAt <= released);
        Assert.True(ended.Cut.StoppedAt <= released, "it was held then");
        Assert.True(ended.Cut.ThawedAt >= released, "it was not released before");
    }

    [Fact]
    public void A_guest_that_thawed_by_itself_is_not_said_to_have_held()
    {
        Beat(there: 0, back: 0, TimeSpan.Zero);
        var thawed = _time.Now;
        _time.Now += 10 * Ms;
        _clock.Sending(new ReleaseCut("j", "g", 1));

        var ended = (CutEnded)_clock.Ours(new CutEnded("j", "g", new CutReport { Epoch = 1, StoppedAt = thawed - Ms, ThawedAt = thawed }));

        Assert.Equal(thawed, ended.Cut.ThawedAt);
    }

    /// <summary>A beat that takes so many milliseconds there and back.</summary>
    private void Beat(int there, int back, TimeSpan ahead)
    {
        var asked = _time.GetTimestamp();
        _time.Now += there * Ms;
        var theirs = _time.Now + ahead;
        _time.Now += back * Ms;
        _clock.Answered(asked, theirs);
    }

    private sealed class SettableTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
