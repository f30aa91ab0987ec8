using Cutpoint.Actors;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// Captures one guest as the coordinator commands, one command at a time. What always holds: a guest this capture stopped is thawed on release, at the
/// freeze limit, on any failure and at the close, whichever comes first; whatever fails is reported once, and everything after that is refused until
/// the close, which is always answered.
/// </summary>
internal sealed class GuestSupervisor : IMessageHandler<GuestMessage>, IAsyncDisposable
{
    /// <summary>A share of the freeze limit is left for the thaw itself, and so that the worker acts before the guard does.</summary>
    private const double FreezeShare = 0.9;

    /// <summary>The least rest before an aligning pass; below it nothing is gained.</summary>
    private static readonly TimeSpan ShortestRest = TimeSpan.FromMilliseconds(100);

    private readonly SupervisorContext _context;
    private readonly CaptureGraphOptions? _sizes;
    private readonly List<PassReport> _passes = [];
    private IGuestCapture? _capture;
    private CaptureOptions _options = new();
    private IGuestStore? _store;
    private PageChunkPool? _chunks;
    private Task _touching = Task.CompletedTask;
    private CaptureGraph? _graph;
    private LiveSave? _save;
    private KnownPages _known;
    private CutReport? _cut;
    private PassReport? _finalPass;
    private GuestCut? _held;
    private ITimer? _rest;
    private TimeSpan _resting;
    private uint? _alignment;
    private bool _isPrepared;
    private bool _isReleased;
    private bool _hasFailed;
    private bool _isClosed;

    public GuestSupervisor(SupervisorContext context, CaptureGraphOptions? sizes)
    {
        _context = context;
        _sizes = sizes;
    }

    private TimeProvider Time => _context.Time;

    private IGuestCapture Capture => _capture ?? throw new InvalidOperationException("the guest is not open");

    /// <summary>What the guest is, called as the job calls it: a driver cannot know which names the other guests have.</summary>
    private GuestDescription Description => Capture.Description with { Name = _context.Guest };

    private CaptureGraphOptions Sizes => _sizes ?? CaptureGraphOptions.For(_options);

    private CaptureGraph Graph => _graph ?? throw new InvalidOperationException("the capture has not begun");

    /// <inheritdoc/>
    public async ValueTask HandleAsync(GuestMessage message, CancellationToken stopping)
    {
        if (_isClosed) return;
        switch (message)
        {
            case FreezeLimitReached limit:
                if (_held?.Epoch == limit.Epoch) await GuardAsync(() => EndCutAsync(released: false));
                return;
            case Commanded { Command: CloseGuest close }:
                await CloseAsync(close);
                return;
            case AlignmentDue due:
                if (_alignment == due.Pass && !_hasFailed) await GuardAsync(() => PassAsync(due.Pass, isAligning: true));
                return;
            case Commanded { Command: var command } when !_hasFailed:
                _alignment = null;
                await GuardAsync(() => ObeyAsync(command));
                return;
        }
    }

    /// <summary>The end of the actor. A guest that nobody has closed is put back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_isClosed) await CloseAsync(new CloseGuest(_context.JobId, _context.Guest, Keep: false) { IsUndecided = true });
    }

    private Task ObeyAsync(WorkerCommand command) => command switch
    {
        OpenGuest open => OpenAsync(open),
        RunPass { IsAligning: true } pass => AlignLater(pass.Pass),
        RunPass pass => PassAsync(pass.Pass, isAligning: false),
        PrepareCut prepare => PrepareCutAsync(prepare.Epoch),
        MakeCut cut => CutAsync(cut.Epoch),
        ReleaseCut release => _held?.Epoch == release.Epoch ? EndCutAsync(released: !release.IsVoid) : Task.CompletedTask,
        DrainGuest => DrainAsync(),
        _ => throw new InvalidOperationException($"command {command.GetType().Name}"),
    };

    private async Task OpenAsync(OpenGuest open)
    {
        var uri = GuestUri.Parse(open.Uri);
        _options = open.Options;
        // While the guest is asked what it is, nobody needs the processors, and fresh memory is dear where this host is virtual itself.
        var chunks = _chunks = new PageChunkPool(Sizes.Chunks);
        _touching = Task.Run(() => chunks.Touch());
        _capture = await _context.DriverOf(uri).OpenAsync(uri, open.Options, _context.Closing);
        await ReportAsync(new GuestOpened(
            open.JobId, open.Guest, Capture.Transport, Capture.Strategy, Capture.Reason, Capture.PauseFloor, Capture.WasRunning));
    }

    /// <summary>Builds the graph and begins the capture, once.</summary>
    private async Task BeginAsync(CancellationToken cancellation)
    {
        if (_graph is null)
        {
            _store = await _context.OpenStore(Description, cancellation);
            await _touching;
            _graph = new CaptureGraph(Description, _store, Sizes, Time, _chunks);
            _known = await _graph.StartFromKnownAsync(cancellation);
            await Capture.BeginAsync(_graph, cancellation);
        }
        // Passes after a release: the cut was void for another guest's sake.
        if (_isReleased) await AbandonSaveAsync();
        _isReleased = false;
        if (_save is not null) return;
        _save = new LiveSave(Capture.Units, _graph, new SaveOptions
        {
            After = _options.After == AfterCut.Stop ? SaveAfter.Destroy : SaveAfter.Continue,
            MaxDowntime = _options.DowntimeGoal,
            // The coordinator counts passes.
            Limits = new SaveLimits { MaxPasses = uint.MaxValue },
        });
        await _save.LivePrepareAsync(cancellation);
    }

    private async Task PassAsync(uint pass, bool isAligning)
    {
        using var limits = Link();
        await BeginAsync(limits.Token);
        var timing = new PassTiming(pass, Graph, Time);
        await using (Watch(JobPhase.Live, pass, timing)) await _save!.ExecutePassAsync(pass, limits.Token);
        var outcome = isAligning ? null : await _save.VoteAsync(pass, limits.Token);
        var report = timing.Report(outcome?.Votes ?? []) with { IsAligning = isAligning };
        // However long the others take, the record stays short.
        if (isAligning && _passes[^1].IsAligning) _passes.RemoveAt(_passes.Count - 1);
        if (!isAligning) _resting = TimeSpan.Zero;
        _passes.Add(report);
        _context.Report(Progress(JobPhase.Live, pass) with { LastPass = report, PredictedPause = report.PredictedPause });
        await ReportAsync(new PassFinished(
            _context.JobId, _context.Guest, outcome is null ? VoteDecision.AnotherPass : DecisionOf(outcome), report));
    }

    /// <summary>
    /// Rests before an aligning pass, each time twice as long: the others need the processors more, and pages that are written again and again are not
    /// stored again and again.
    /// </summary>
    private Task AlignLater(uint pass)
    {
        _resting = _resting == TimeSpan.Zero ? TimeSpan.FromTicks(Math.Max(ShortestRest.Ticks, _passes[^1].Duration.Ticks)) : _resting * 2;
        _alignment = pass;
        _rest?.Dispose();
        _rest = Time.CreateTimer(_ => _context.PostControl(new AlignmentDue(pass)), null, _resting, Timeout.InfiniteTimeSpan);
        return Task.CompletedTask;
    }

    private async Task PrepareCutAsync(int epoch)
    {
        using var limits = Link();
        await PrepareAsync(limits.Token);
        await ReportAsync(new CutPrepared(_context.JobId, _context.Guest, epoch));
    }

    private async Task PrepareAsync(CancellationToken cancellation)
    {
        if (_isPrepared) return;
        await BeginAsync(cancellation);
        await Graph.EnterCutAsync(cancellation);
        _isPrepared = true;
        _context.Stops.Enter();
    }

    /// <summary>The guest stands still, or will not be stopped: nobody waits for that any more.</summary>
    private void LeaveBarrier()
    {
        if (_isPrepared) _context.Stops.Leave();
        _isPrepared = false;
    }

    private async Task CutAsync(int epoch)
    {
        using var limits = Link();
        await PrepareAsync(limits.Token);
        var predicted = _passes.Count > 0 ? _passes[^1].PredictedPause ?? Capture.PauseFloor : Capture.PauseFloor;
        var cut = _held = new GuestCut(epoch, predicted, Time);
        if (Capture.WasRunning) cut.Limit(_options.FreezeLimit * FreezeShare, () => _context.PostControl(new FreezeLimitReached(epoch)));
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limits.Token, cut.OverLimit);
        try
        {
            cut.Stopped(await Capture.StopAsync(either.Token));
            LeaveBarrier();
            await _context.Stops.Clear.WaitAsync(either.Token);
            if (!Capture.RunsDuringFinalPass) await FinalPassAsync(either.Token);
        }
        catch (Exception error) when (!limits.IsCancellationRequested
            && (cut.OverLimit.IsCancellationRequested || error is SnapshotException { IsTransient: true }))
        {
            // Too slow, not broken: the guest is thawed and the coordinator decides.
            await EndCutAsync(released: false);
            return;
        }
        cut.Secured();
        await ReportAsync(new CutHeld(_context.JobId, _context.Guest, epoch, cut.StoppedAt));
    }

    private async Task FinalPassAsync(CancellationToken cancellation)
    {
        var timing = new PassTiming(UnitRegistration.FinalPass, Graph, Time);
        await _save!.SavePrepareAsync(cancellation);
        await _save.SaveExecuteAsync(cancellation);
        _finalPass = timing.Report([]);
    }

    /// <summary>Thaws, whatever has become of the cut, and says how it went.</summary>
    private async Task EndCutAsync(bool released)
    {
        using var cut = _held!;
        _held = null;
        LeaveBarrier();
        cut.Releasing();
        var (thawed, held) = (default(CutStamp?), released);
        try
        {
            thawed = released ? await Capture.ThawAsync(run: _options.After == AfterCut.Continue) : await Capture.VoidAsync();
        }
        finally
        {
            Graph.LeaveCut();
        }
        _cut = cut.Report(thawed, held, Capture, Graph.Counters.OverflowBytes);
        _isReleased = held;
        if (!held) await AbandonSaveAsync();
        _context.Report(Progress(JobPhase.Thawed, 0) with { Cut = _cut });
        await ReportAsync(new CutEnded(_context.JobId, _context.Guest, _cut));
    }

    private async Task DrainAsync()
    {
        using var limits = Link();
        var timing = new PassTiming(UnitRegistration.FinalPass, Graph, Time);
        await using var watch = Watch(JobPhase.Draining, 0, timing);
        if (Capture.RunsDuringFinalPass) await FinalPassAsync(limits.Token);
        (await _save!.CompleteAsync()).ThrowIfFailed();
        var devices = await Capture.FinishAsync(limits.Token);
        await Graph.ForgetUnseenAsync(limits.Token);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(limits.Token);
        var verified = Capture.VerifyAsync(ending.Token);
        try
        {
            await StoreAsync(devices, timing, limits.Token);
        }
        catch
        {
            await ending.CancelAsync();
            await verified.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        await verified;
        await ReportAsync(new GuestDrained(_context.JobId, _context.Guest, _passes[^1]));
    }

    /// <summary>Brings everything of the guest into its store.</summary>
    private async Task StoreAsync(IReadOnlyList<DeviceState> devices, PassTiming timing, CancellationToken cancellation)
    {
        await Graph.DrainAsync(cancellation);
        foreach (var device in devices) await _store!.AppendAsync(device, cancellation);
        var final = _finalPass! with { BytesStored = _finalPass!.BytesStored + timing.BytesStored };
        _passes.Add(final);
        await _store!.SealAsync(
            Description,
            new GuestRecord
            {
                Transport = Capture.Transport,
                Strategy = Capture.Strategy,
                Reason = Capture.Reason,
                Base = _store.Base is { } start ? start with { Pages = _known.Pages, LostSections = _known.LostSections } : null,
                Passes = [.. _passes],
                Cut = _cut,
            },
            cancellation);
    }

    private async Task CloseAsync(CloseGuest close)
    {
        _isClosed = true;
        LeaveBarrier();
        if (_rest is not null) await _rest.DisposeAsync();
        JobError? trouble = null;
        try
        {
            if (close.Keep) _capture?.Keep();
            else if (close.IsUndecided) _capture?.Leave();
            await AbandonSaveAsync();
        }
        finally
        {
            _held?.Dispose();
            // The guest first: it may be stopped.
            if (_capture is { } capture) trouble = await TryAsync(capture.DisposeAsync);
            // Whether it failed was told by the begin.
            await _touching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_graph is { } graph) trouble ??= await TryAsync(graph.DisposeAsync);
            else _chunks?.Dispose();
            await ReportAsync(new GuestClosed(close.JobId, close.Guest, trouble));
        }
    }

    /// <summary>Ends a save that was not completed: its units are told, and the next one may begin.</summary>
    private async Task AbandonSaveAsync()
    {
        if (_save is not { } save) return;
        _save = null;
        await save.CompleteAsync();
    }

    /// <summary>Does something; when it fails, the guest is thawed at once and the coordinator is told.</summary>
    private async Task GuardAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception error)
        {
            _hasFailed = true;
            LeaveBarrier();
            var cause = error is OperationCanceledException && _capture?.Loss is { } loss ? loss : error;
            if (_held is { } held)
            {
                _held = null;
                held.Dispose();
                // A failure here adds nothing: the close tries again, and the guard after it.
                await TryAsync(async () => await Capture.VoidAsync());
                _graph?.LeaveCut();
            }
            await ReportAsync(new GuestFailed(_context.JobId, _context.Guest, JobError.From(cause)));
        }
    }

    private static async Task<JobError?> TryAsync(Func<ValueTask> work)
    {
        try
        {
            await work();
            return null;
        }
        catch (Exception error)
        {
            return JobError.From(error);
        }
    }

    /// <summary>What ends a command early: the close, the loss of the guest, the fault of the graph.</summary>
    private CancellationTokenSource Link() =>
        CancellationTokenSource.CreateLinkedTokenSource(_context.Closing, _capture?.Lost ?? CancellationToken.None);

    private ValueTask ReportAsync(WorkerReport report) => _context.ReportAsync(report);

    private ProgressWatch Watch(JobPhase phase, uint pass, PassTiming timing) => new(
        () => _context.Report(Progress(phase, pass) with
        {
            BytesDone = timing.BytesRead,
            BytesTotal = Math.Max(Capture.PassBytes, timing.BytesRead),
            DirtyBytesPerSecond = DirtyRate,
        }),
        Time);

    private JobProgress Progress(JobPhase phase, uint pass) => new()
    {
        JobId = _context.JobId,
        Phase = phase,
        Guest = _context.Guest,
        Pass = pass,
        BytesStored = Graph.Counters.BytesStored,
        SinkBytesPerSecond = Graph.SinkBytesPerSecond ?? 0,
        PredictedPause = _passes.Count > 0 ? _passes[^1].PredictedPause : null,
    };

    /// <summary>What the last pass but the first found, over the time since the pass before it.</summary>
    private double? DirtyRate => _passes.Count < 2 || _passes[^2].Duration <= TimeSpan.Zero
        ? null : _passes[^1].PagesChanged * Paging.PageSize / _passes[^2].Duration.TotalSeconds;

    private static VoteDecision DecisionOf(PassOutcome outcome) => outcome.Verdict switch
    {
        PassVerdict.Converged => VoteDecision.Done,
        PassVerdict.AnotherPass => VoteDecision.AnotherPass,
        _ => VoteDecision.GiveUp,
    };
}
