using Cutpoint.Guests;
using Cutpoint.Jobs;

namespace Cutpoint.Workers.Capture;

/// <summary>One attempt to cut, as seen by a guest's supervisor: its clock and its freeze limit.</summary>
internal sealed class GuestCut(int epoch, TimeSpan predicted, TimeProvider time) : IDisposable
{
    private readonly long _asked = time.GetTimestamp();
    private CancellationTokenSource? _limit;
    private long _stopped;
    private long _secured;
    private long _releasing;

    /// <summary>Which attempt.</summary>
    public int Epoch => epoch;

    /// <summary>From when on the guest executed nothing.</summary>
    public DateTimeOffset StoppedAt { get; private set; }

    /// <summary>Cancelled at the freeze limit.</summary>
    public CancellationToken OverLimit => _limit?.Token ?? CancellationToken.None;

    /// <summary>Starts the freeze limit's clock.</summary>
    public void Limit(TimeSpan limit, Action reached)
    {
        _limit = new CancellationTokenSource(limit, time);
        _limit.Token.Register(reached);
    }

    public void Stopped(CutStamp stamp)
    {
        StoppedAt = stamp.At;
        _stopped = time.GetTimestamp();
    }

    public void Secured() => _secured = time.GetTimestamp();

    public void Releasing() => _releasing = time.GetTimestamp();

    /// <summary>The report, once the guest is thawed.</summary>
    public CutReport Report(CutStamp? thawed, bool held, IGuestCapture capture, long overflow) => new()
    {
        Epoch = epoch,
        StoppedAt = StoppedAt,
        ThawedAt = thawed?.At,
        HeldUntilRelease = held,
        WasRunning = capture.WasRunning,
        Pause = thawed is { } end && _stopped != 0 ? end.At - StoppedAt : null,
        PredictedPause = capture.WasRunning ? predicted : null,
        PauseFloor = capture.PauseFloor,
        Stopping = Between(_asked, _stopped),
        FinalPass = Between(_stopped, _secured),
        Holding = Between(_secured, _releasing),
        Thawing = Between(_releasing, time.GetTimestamp()),
        OverflowBytes = overflow,
    };

    public void Dispose() => _limit?.Dispose();

    private TimeSpan Between(long from, long to) => from == 0 || to == 0 ? TimeSpan.Zero : time.GetElapsedTime(from, to);
}
