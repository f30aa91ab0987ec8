using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Captures a guest whose RAM lies in a shared file. Passes read the file while the guest runs; the stop writes the devices into a memory file and compares
/// the RAM in place. QEMU is told to leave shared blocks out of its stream (x-ignore-shared).
/// </summary>
internal sealed class DirectCapture : IGuestCapture
{
    private const string DescriptorName = "cutpoint-devices";
    private static readonly TimeSpan MigrationDeadline = TimeSpan.FromSeconds(30);

    private readonly QemuSession _session;
    private readonly QemuInspection _inspection;
    private readonly DiskCut _disks;
    private readonly DirectRam _ram;
    private readonly PrivateMemory _others;
    private readonly TimeProvider _time;
    private readonly bool _isStop;
    private readonly CancellationTokenSource _closing = new();
    private ICaptureSinks? _sinks;
    private DeviceStream? _devices;
    private Task _setUp = Task.CompletedTask;
    private Task _released = Task.CompletedTask;
    private Task<bool> _isAlone = Task.FromResult(false);
    private Task<IReadOnlyList<MemoryRange>>? _memory;
    private bool _isDescriptorSent;
    private bool _isThawed;

    public DirectCapture(
        QemuSession session, QemuInspection inspection, DiskCut disks, DirectRam ram, PrivateMemory others, CaptureStrategy strategy, string reason,
        TimeProvider time)
    {
        _session = session;
        _inspection = inspection;
        _disks = disks;
        _ram = ram;
        _others = others;
        _time = time;
        _isStop = strategy == CaptureStrategy.Stop;
        Strategy = strategy;
        Reason = reason;
        Description = inspection.Description;
        foreach (var block in Description.Blocks)
            Units.Register(new UnitRegistration(UnitKind.Internal, new UnitKey(block.Name, 0), 1, block.Length, ram.CallbacksOf(block)));
    }

    public GuestDescription Description { get; private set; }

    public CaptureTransport Transport => CaptureTransport.Direct;

    public CaptureStrategy Strategy { get; }

    public string Reason { get; }

    public UnitRegistry Units { get; } = new(maxNameOctets: 255);

    public TimeSpan PauseFloor => _ram.PauseFloor(_isStop);

    public bool WasRunning => _session.WasRunning;

    public bool RunsDuringFinalPass => false;

    public long PassBytes => _ram.PassBytes;

    public CancellationToken Lost => _session.Lost;

    public SnapshotException? Loss => _session.Loss;

    public async ValueTask BeginAsync(ICaptureSinks sinks, CancellationToken cancellation)
    {
        _sinks = sinks;
        // The first live pass needs nothing of QEMU, which takes milliseconds for each command when its processors are busy: it begins beside this.
        _setUp = SetUpAsync(_closing.Token);
        _ram.Begin(sinks, _setUp);
        if (!_ram.IsCertain && _session.Qemu is { } qemu)
            _isAlone = Task.Run(() => MemorySharers.AreExcluded(qemu.Id, _ram.Inodes, _closing.Token), CancellationToken.None);
        if (_isStop) await _setUp.WaitAsync(cancellation);
    }

    public async ValueTask<CutStamp> StopAsync(CancellationToken cancellation)
    {
        await _setUp.WaitAsync(cancellation);
        // A cut that is tried again needs a new file: the descriptor is QEMU's only once.
        await _disks.PrepareAsync(cancellation);
        await PrepareAsync(cancellation);
        using var events = _session.Monitor.Subscribe("MIGRATION");
        var stopped = await _session.StopAsync(cancellation) ?? _time.GetUtcNow();
        await _disks.FreezeAsync(cancellation);
        (_isDescriptorSent, _isThawed) = (false, false);
        // Before the memory is compared: writing their state is the last thing devices do, and some write to memory while they do it.
        await _session.MigrateAsync(DescriptorName, cancellation);
        var end = await events.WaitAsync(e => e.Text("status") is "completed" or "failed" or "cancelled", MigrationDeadline, cancellation);
        if (end.Text("status") != "completed")
        {
            var migration = await _session.QueryMigrationAsync(cancellation);
            throw new SnapshotException(
                ErrorCode.Failed,
                $"guest '{Description.Name}': QEMU did not write the device state: {migration.Error ?? migration.Status}",
                "see QEMU's own messages");
        }
        // Answered while the memory is compared.
        _memory = QemuPreflight.ReadMemoryMapAsync(_session.Monitor, Description.Blocks, CancellationToken.None);
        return new CutStamp(stopped);
    }

    public async ValueTask<CutStamp?> ThawAsync(bool run)
    {
        if (!WasRunning || !run) return Loss is { } loss && WasRunning ? throw Void(loss) : null;
        var thawed = await _session.ContinueAsync() ?? throw Void(null);
        _isThawed = true;
        return new CutStamp(thawed);
    }

    public async ValueTask<IReadOnlyList<DeviceState>> FinishAsync(CancellationToken cancellation)
    {
        var (configuration, part) = await _devices!.ReadAsync(Description, _sinks!, UnitRegistration.FinalPass, cancellation);
        var properties = new Dictionary<string, string>(Description.Properties);
        foreach (var (name, value) in QemuStoredState.PropertiesOf(configuration, part.Devices)) properties[name] = value;
        Description = _disks.Describe(Description with { Memory = await _memory!, Properties = properties });
        // A guest that runs again is put back while the checkpoint is stored. One that stands still has to wait: whether it goes on is decided by the commit.
        if (_isThawed) _ = _session.LeaveAsync();
        return QemuStoredState.StatesOf(part.Devices);
    }

    public async Task VerifyAsync(CancellationToken cancellation)
    {
        if (_ram.IsCertain) return;
        await _ram.VerifyAsync(NumberOf, await _isAlone, cancellation);
        // Nobody has to wait for that; no pass follows.
        _released = Task.Run(_ram.StopTracking, CancellationToken.None);
    }

    public void Keep()
    {
        _session.KeepStopped();
        _disks.Keep();
    }

    public void Leave() => _disks.Leave();

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _setUp.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _session.DisposeAsync();
        if (_memory is { } memory) await ((Task)memory).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _released;
        await ((Task)_isAlone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ram.Dispose();
        _closing.Dispose();
        _devices?.Dispose();
        await _disks.DisposeAsync();
        if (_session.Trouble is { } trouble) throw new SnapshotException(trouble.Code, trouble.Message, trouble.Advice, trouble);
    }

    private int NumberOf(string block)
    {
        for (var i = 0; i < Description.Blocks.Count; i++)
        {
            if (Description.Blocks[i].Name == block) return i;
        }
        throw new InvalidOperationException($"the guest has no RAM block '{block}'");
    }

    private async Task SetUpAsync(CancellationToken cancellation)
    {
        // Whatever changes the shape of the stream is off, whoever has left it on; the session puts it back.
        var capabilities = _inspection.Capabilities.Where(c => c.Value && c.Key != "events").ToDictionary(c => c.Key, _ => false);
        capabilities["x-ignore-shared"] = true;
        await Task.WhenAll(
            _session.SetCapabilitiesAsync(capabilities, cancellation),
            _session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0 }, cancellation),
            PrepareAsync(cancellation),
            _others.TouchAsync(cancellation));
        await _disks.PrepareAsync(cancellation);
    }

    private async Task PrepareAsync(CancellationToken cancellation)
    {
        if (_isDescriptorSent) return;
        _devices?.Dispose();
        _devices = new DeviceStream();
        await _session.SendDescriptorAsync(DescriptorName, _devices.Descriptor, cancellation);
        _isDescriptorSent = true;
    }

    private SnapshotException Void(SnapshotException? loss) => new(
        ErrorCode.Failed,
        $"guest '{Description.Name}' did not stay stopped until it was released{(loss is null ? "" : $": {loss.Message}")}",
        loss?.Advice ?? "somebody else continued it; leave it alone while a checkpoint is taken",
        loss)
    {
        IsTransient = true,
    };
}
