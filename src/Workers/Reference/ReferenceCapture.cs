using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Reference;

/// <summary>A reference guest under capture. Its RAM is read in place; what was written since is known exactly.</summary>
internal sealed class ReferenceCapture : IGuestCapture
{
    /// <summary>A stop takes a lock, and the scan of the marks of 64 GiB a tenth of this.</summary>
    public static readonly TimeSpan Floor = TimeSpan.FromMilliseconds(1);

    private readonly ReferenceGuest _guest;
    private readonly CaptureOptions _options;
    private bool _stopped;
    private bool _keep;

    public ReferenceCapture(ReferenceGuest guest, GuestDescription description, CaptureStrategy strategy, string reason, CaptureOptions options)
    {
        _guest = guest;
        _options = options;
        Description = description;
        Strategy = strategy;
        Reason = reason;
    }

    public GuestDescription Description { get; }

    public CaptureTransport Transport => CaptureTransport.Direct;

    public CaptureStrategy Strategy { get; }

    public string Reason { get; }

    public UnitRegistry Units => _guest.Units;

    public TimeSpan PauseFloor => Floor;

    public bool WasRunning => Description.WasRunning;

    public bool RunsDuringFinalPass => Strategy == CaptureStrategy.Background;

    public long PassBytes => _guest.Reader.PassOctets;

    public CancellationToken Lost => _guest.Dead;

    public SnapshotException? Loss => _guest.Dead.IsCancellationRequested
        ? new SnapshotException(ErrorCode.Failed, $"reference guest {_guest.Name} has ended", "start it again and take another checkpoint")
        : null;

    public ValueTask BeginAsync(ICaptureSinks sinks, CancellationToken cancellation)
    {
        ThrowIfLost();
        _guest.BeginReading().Aim(RamVoterOptions.Of(_options), sinks);
        return default;
    }

    public ValueTask<CutStamp> StopAsync(CancellationToken cancellation)
    {
        ThrowIfLost();
        cancellation.ThrowIfCancellationRequested();
        _guest.Stop();
        _stopped = WasRunning;
        if (RunsDuringFinalPass) _guest.BeginCut();
        return ValueTask.FromResult(new CutStamp(_guest.Time.GetUtcNow()));
    }

    public ValueTask<CutStamp?> ThawAsync(bool run)
    {
        ThrowIfLost();
        var until = _guest.Time.GetUtcNow();
        if (!_stopped || !run) return ValueTask.FromResult<CutStamp?>(null);
        _guest.Continue();
        _stopped = false;
        return ValueTask.FromResult<CutStamp?>(new CutStamp(until));
    }

    public ValueTask<IReadOnlyList<DeviceState>> FinishAsync(CancellationToken cancellation)
    {
        ThrowIfLost();
        _guest.EndCut();
        return ValueTask.FromResult<IReadOnlyList<DeviceState>>([]);
    }

    public void Keep() => _keep = true;

    public ValueTask DisposeAsync()
    {
        if (_stopped && !_keep && !_guest.Dead.IsCancellationRequested) _guest.Continue();
        _guest.Leave(this);
        return default;
    }

    private void ThrowIfLost()
    {
        if (Loss is { } loss) throw loss;
    }
}
