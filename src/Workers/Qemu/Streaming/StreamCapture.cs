using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// Captures a guest by its own migration stream: pages as they come go to the RAM blocks, devices are cut by the description at the end. A stream has one
/// order, so the first RAM block moves it for all of them and votes for all of them.
/// <list type="bullet">
/// <item>precopy: QEMU makes its passes while the guest runs, held by not reading; the cut is a stop, or QEMU's own when it is through; then the rest is
/// drained without fail.</item>
/// <item>stop: the guest stands still while all of it is drained.</item>
/// <item>background: QEMU write-protects the memory within milliseconds and sends that instant while the guest runs on.</item>
/// </list>
/// In a group a background snapshot is begun at the release of a guest that was stopped before, since QEMU lets the guest run by itself; passes are held as
/// told at <see cref="HoldAsync"/>. An attempt that is void ends its stream, and the next one begins with another.
/// </summary>
internal sealed partial class StreamCapture : IGuestCapture
{
    private const string StreamName = "cutpoint-stream";
    private const int SocketBuffer = 4 << 20;

    private readonly QemuSession _session;
    private readonly QemuInspection _inspection;
    private readonly DiskCut _disks;
    private readonly CaptureOptions _options;
    private readonly StreamStrategy _strategy;
    private readonly TimeProvider _time;
    private readonly StreamMeter _meter;
    private RamVoter _voter;
    private ICaptureSinks? _sinks;
    private MigrationWatch? _watch;
    private StreamPages? _pages;
    private StreamPump? _pump;
    private QemuDevicePart? _devices;
    private long _passStarted;
    private (long Pages, long Octets) _before;
    private QemuMigration? _migration;
    private int _passes;
    private bool _isBegun;
    private bool _wasReleased;

    /// <summary>Takes over a session that has changed nothing yet.</summary>
    public StreamCapture(
        QemuSession session, QemuInspection inspection, DiskCut disks, CaptureOptions options, StreamStrategy strategy, TimeProvider time)
    {
        _session = session;
        _inspection = inspection;
        _disks = disks;
        _options = options;
        _strategy = strategy;
        _time = time;
        _meter = new StreamMeter(time);
        Description = inspection.Description;
        _voter = new RamVoter(RamVoterOptions.Of(options));
        Units = new UnitRegistry(maxNameOctets: byte.MaxValue);
        foreach (var block in Description.Blocks)
        {
            Units.Register(new UnitRegistration(
                UnitKind.Internal, new UnitKey(block.Name, 0), 1, block.Length, block == Description.Blocks[0] ? Callbacks() : new UnitCallbacks()));
        }
    }

    /// <inheritdoc/>
    public GuestDescription Description { get; private set; }

    /// <inheritdoc/>
    public CaptureTransport Transport => CaptureTransport.Stream;

    /// <inheritdoc/>
    public CaptureStrategy Strategy => _strategy.Strategy;

    /// <inheritdoc/>
    public string Reason => _strategy.Reason;

    /// <inheritdoc/>
    public UnitRegistry Units { get; }

    /// <inheritdoc/>
    public TimeSpan PauseFloor => _strategy.Costs.Floor;

    /// <inheritdoc/>
    public bool WasRunning => _session.WasRunning;

    /// <inheritdoc/>
    public bool RunsDuringFinalPass => Strategy is CaptureStrategy.Background;

    /// <inheritdoc/>
    public long PassBytes => _migration?.Remaining ?? StreamStrategy.MemoryOf(_inspection, _session.Qemu?.Id);

    /// <inheritdoc/>
    public CancellationToken Lost => _session.Lost;

    /// <inheritdoc/>
    public SnapshotException? Loss => _session.Loss;

    /// <inheritdoc/>
    public async ValueTask BeginAsync(ICaptureSinks sinks, CancellationToken cancellation)
    {
        _sinks = sinks;
        await _session.SetCapabilitiesAsync(
            Strategy is CaptureStrategy.Background
                ? new Dictionary<string, bool> { ["background-snapshot"] = true }
                : new Dictionary<string, bool> { ["pause-before-switchover"] = Strategy is CaptureStrategy.Precopy },
            cancellation);
        // No limit; by default QEMU sends no more than 128 MiB/s. When the rest fits the pause by its own reckoning it stops the guest by itself, and the guest
        // would stand still while everything is made ready for its stop, so it is kept from that as long as it can be.
        await _session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0, ["downtime-limit"] = 1 }, cancellation);
        await _disks.PrepareAsync(cancellation);
        await OpenStreamAsync(cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask<CutStamp> StopAsync(CancellationToken cancellation)
    {
        await _disks.PrepareAsync(cancellation);
        var stopped = await StandStillAsync(cancellation);
        // QEMU gives its images away with the device state, which a stopped precopy waits to be asked for and every other stream has not begun with.
        await _disks.FreezeAsync(cancellation);
        return stopped;
    }

    private async Task<CutStamp> StandStillAsync(CancellationToken cancellation)
    {
        if (Strategy is CaptureStrategy.Background && !IsStoppedFirst)
        {
            await BeginStreamAsync(cancellation);
            await _watch!.WaitAsync(() => _watch.StoppedAt is not null || _watch.HasFailed, cancellation);
            return new CutStamp(_watch.StoppedAt ?? throw await FailureAsync());
        }
        if (IsHeld)
        {
            await EndHoldAsync();
            CheckHeld();
        }
        _sinks!.Expect(_migration?.Remaining ?? PassBytes);
        if (!WasRunning) return new CutStamp(_time.GetUtcNow());
        var stopped = await _session.StopAsync(cancellation);
        if (stopped is { } at) return new CutStamp(at);
        if (IsHeld) throw TooEarly();
        // QEMU was first: it is through with its passes and has stopped the guest by itself.
        await _watch!.WaitAsync(() => _watch.StoppedAt is not null || _watch.HasFailed, cancellation);
        return new CutStamp(_watch.StoppedAt ?? throw await FailureAsync());
    }

    /// <inheritdoc/>
    public async ValueTask<CutStamp?> ThawAsync(bool run)
    {
        if (Strategy is CaptureStrategy.Background)
        {
            if (IsStoppedFirst && !_isBegun) await BeginStreamAsync(CancellationToken.None);
            // QEMU makes the guest run by itself as soon as its memory is protected.
            using var limit = new CancellationTokenSource(_options.FreezeLimit, _time);
            await _watch!.WaitAsync(() => _watch.RanOnAt is not null || _watch.HasFailed, limit.Token);
            return new CutStamp(_watch.RanOnAt ?? throw await FailureAsync());
        }
        if (!WasRunning || !run) return null;
        return new CutStamp(await _session.ContinueAsync() ?? throw new SnapshotException(
            ErrorCode.Failed, $"guest {Description.Name} ran again before it was released", "take it again") { IsTransient = true });
    }

    /// <inheritdoc/>
    public async ValueTask<CutStamp?> VoidAsync()
    {
        // A background snapshot is not cancelled; QEMU lets the guest run soon, and writes on into its file.
        if (Strategy is CaptureStrategy.Background && _isBegun) return await ThawAsync(run: true);
        if (_isBegun) await EndStreamAsync();
        if (!WasRunning) return null;
        return await _session.ContinueAsync() is { } at ? new CutStamp(at) : null;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<DeviceState>> FinishAsync(CancellationToken cancellation)
    {
        var part = _devices ?? throw new InvalidOperationException("the final pass has not read the devices");
        Description = _disks.Describe(Description with
        {
            Memory = await QemuPreflight.ReadMemoryMapAsync(_session.Monitor, Description.Blocks, cancellation),
            Properties = Description.Properties.Concat(QemuStoredState.PropertiesOf(_pages!.Configuration!, part.Devices)).ToDictionary(),
        });
        return QemuStoredState.StatesOf(part.Devices);
    }

    internal QemuSession Session => _session;

    /// <inheritdoc/>
    public void Keep()
    {
        _session.KeepStopped();
        _disks.Keep();
    }

    /// <inheritdoc/>
    public void Leave() => _disks.Leave();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndHoldAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The session first: it ends the migration, and a socket that closed before would make QEMU call it failed. A snapshot in a file goes on to its end.
        await _session.DisposeAsync();
        await CloseStreamAsync();
        await _disks.DisposeAsync();
    }

    /// <summary>
    /// True when a background snapshot is begun at the release of a guest that was stopped before: QEMU lets the guest run by itself, so what is to be done while
    /// it stands still comes first.
    /// </summary>
    private bool IsStoppedFirst => _options.IsInGroup || !_disks.IsEmpty;

    private UnitCallbacks Callbacks() => new()
    {
        LivePrepare = async (_, cancellation) =>
        {
            // The attempt before says nothing of this one, whose first pass brings everything again.
            _voter = new RamVoter(RamVoterOptions.Of(_options));
            await RenewStreamAsync(cancellation);
        },
        LiveExecute = async (_, pass, cancellation) =>
        {
            await PassAsync(pass, cancellation);
            return LiveOutcome.Continue;
        },
        LiveVote = async (context, pass, cancellation) => await VoteAsync(context, pass, cancellation),
        SaveExecute = async (_, cancellation) => await DrainAsync(cancellation),
    };

    private async Task PassAsync(uint pass, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Lost);
        _passStarted = _time.GetTimestamp();
        if (IsHeld) await HoldAsync(pass, either.Token);
        else await StreamAsync(pass, () => _watch!.Passes >= _passes + 2, either.Token);
        if (_isBegun) _passes++;
    }

    /// <summary>Moves the stream until QEMU has stopped the guest by itself, or as far as is wanted.</summary>
    private async Task StreamAsync(uint pass, Func<bool> enough, CancellationToken cancellation)
    {
        _before = (_pages!.PageCount, _pump!.Octets);
        _pages.Pass = pass;
        if (!_isBegun) await BeginStreamAsync(cancellation);
        await _meter.MoveAsync(_pump.RunAsync(() => enough() || _watch!.StoppedAt is not null || _watch.HasFailed, cancellation));
        if (_watch!.HasFailed) throw await FailureAsync();
        await _pages.EmitAllAsync(cancellation);
        _migration = await _session.QueryMigrationAsync(cancellation);
    }

    private async Task<Vote> VoteAsync(SaveContext context, uint pass, CancellationToken cancellation)
    {
        var duration = _time.GetElapsedTime(_passStarted);
        var octets = _pump!.Octets - _before.Octets;
        var costs = _strategy.Costs with
        {
            // A guest that QEMU has stopped by itself stands still since then.
            Stop = _strategy.Costs.Stop + (_watch!.StoppedAt is { } at && _time.GetUtcNow() is var now && now > at ? now - at : TimeSpan.Zero),
            CutBuffer = _sinks!.CutBufferBytes,
            CopyRate = _meter.Rate ?? _strategy.Costs.CopyRate,
            SinkRate = _sinks.SinkBytesPerSecond ?? 0,
        };
        _sinks.Expect(Rest);
        var vote = _voter.Decide(
            context.Unit.Key, new RamPass(pass, _pages!.PageCount - _before.Pages, octets, duration, costs) { Rest = IsRestKnown ? Rest : null });
        context.ReportPercent(_voter.Percent);
        cancellation.ThrowIfCancellationRequested();
        return _watch.StoppedAt is null || vote.Decision is VoteDecision.Done
            ? vote
            : vote with { Decision = VoteDecision.Done, Reason = "QEMU's own passes are over and it has stopped the guest" };
    }

    /// <summary>The final pass: everything to the end of the stream. Reads without pause, since QEMU writes the end under its main lock.</summary>
    private async Task DrainAsync(CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Lost);
        _pages!.Pass = UnitRegistration.FinalPass;
        if (!_isBegun) await BeginStreamAsync(either.Token);
        var released = Task.CompletedTask;
        try
        {
            while (!_watch!.IsCompleted)
            {
                await _pump!.RunAsync(() => _watch.IsCompleted || _watch.HasFailed || IsHeldBeforeSwitchover, either.Token);
                if (_watch.HasFailed) throw await FailureAsync();
                if (!IsHeldBeforeSwitchover) continue;
                _wasReleased = true;
                released = ReleaseAsync(either);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested && !Lost.IsCancellationRequested)
        {
            // Nobody but the release has ended the reading, and that tells why.
            await released;
            throw;
        }
        await released;
        _pump!.Finish();
        await _pump.RunAsync(static () => false, either.Token);
        await _pages.EmitAllAsync(either.Token);
        _devices = _pump.Complete();
    }

    /// <summary>
    /// Lets QEMU write the end of its stream. It may begin to before it has answered, under its main lock, and answers nobody then before somebody has read
    /// that: so the stream is read meanwhile, and a refusal ends the reading.
    /// </summary>
    private async Task ReleaseAsync(CancellationTokenSource reading)
    {
        try
        {
            await _session.ContinueMigrationAsync(reading.Token);
        }
        catch
        {
            await reading.CancelAsync();
            throw;
        }
    }

    /// <summary>Makes the stream of an attempt and hands QEMU its end; nothing flows yet.</summary>
    private async Task OpenStreamAsync(CancellationToken cancellation)
    {
        (_passes, _isBegun, _wasReleased, _migration, _devices) = (0, false, false, null, null);
        _watch = new MigrationWatch(_session.Monitor);
        _pages = new StreamPages(Description.Blocks, _sinks!, 0, _meter);
        if (Strategy is CaptureStrategy.Background)
        {
            var room = StreamStrategy.MemoryOf(_inspection, _session.Qemu?.Id) + QemuStreamParser.DefaultDeviceStateLimit;
            var file = FileSource.Create(_options.ScratchDirectory ?? Path.GetTempPath(), room, _time);
            _pump = new StreamPump(file, _pages, _watch);
            await _session.SendDescriptorAsync(StreamName, file.File, cancellation);
            return;
        }
        var (ours, theirs) = UnixSocketPair.Create();
        using (theirs)
        {
            ours.ReceiveBufferSize = SocketBuffer;
            _pump = new StreamPump(new SocketSource(ours), _pages, _watch);
            await _session.SendDescriptorAsync(StreamName, theirs, cancellation);
        }
    }

    private async Task BeginStreamAsync(CancellationToken cancellation)
    {
        await _session.MigrateAsync(StreamName, cancellation);
        _isBegun = true;
    }

    /// <summary>An attempt begins. A stream that was begun by the one before tells of another instant.</summary>
    private async Task RenewStreamAsync(CancellationToken cancellation)
    {
        if (_isBegun) await EndStreamAsync();
        if (_pump is null) await OpenStreamAsync(cancellation);
    }

    /// <summary>Ends a migration under way; QEMU lets a guest run on that it has stopped by itself.</summary>
    private async Task EndStreamAsync()
    {
        // Its reader first: QEMU may be writing the end of the stream under its main lock, and would answer nobody before somebody reads it. A background
        // snapshot ends by itself, in its file.
        if (Strategy is not CaptureStrategy.Background) _pump?.Dispose();
        await _session.CancelMigrationAsync(CancellationToken.None);
        await CloseStreamAsync();
    }

    private async Task CloseStreamAsync()
    {
        _pump?.Dispose();
        if (_watch is not null) await _watch.DisposeAsync();
        (_pump, _watch, _isBegun) = (null, null, false);
    }

    private bool IsHeldBeforeSwitchover => !_wasReleased && _watch!.Status == "pre-switchover";

    private async Task<SnapshotException> FailureAsync()
    {
        if (Loss is { } loss) return loss;
        var migration = await _session.QueryMigrationAsync(CancellationToken.None);
        return new SnapshotException(
            ErrorCode.Failed,
            $"guest {Description.Name}: QEMU ended its migration stream ({migration.Status}): {migration.Error ?? "no reason given"}",
            "the guest goes on; take it again");
    }
}
