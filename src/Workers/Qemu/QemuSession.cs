using System.Net.Sockets;
using System.Runtime.InteropServices;
using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu;

/// <summary>
/// One guest's monitor for the time of a capture. Looking costs nothing; before the first change the session writes a freeze intent and
/// hands the monitor to its guard, and from then on every command goes through the guard. Disposal puts everything back: a migration under
/// way is cancelled, a guest that ran runs (unless <see cref="KeepStopped"/>), capabilities and parameters are as before. So does the guard
/// when this process dies or hangs, and so does this process when the guard dies: <see cref="Lost"/> tells, and the cut is void then.
/// Safe for concurrent use, except that disposal ends it.
/// </summary>
public sealed class QemuSession : IAsyncDisposable
{
    private static readonly TimeSpan RefusalDeadline = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(1);

    private readonly QemuSessionOptions _options;
    private readonly GuardProcess _guard;
    private readonly SemaphoreSlim _arming = new(1, 1);
    private readonly CancellationTokenSource _lost = new();
    private FreezeIntent? _intent;
    private string? _intentPath;
    private IReadOnlyDictionary<string, bool> _capabilities = new Dictionary<string, bool>();
    private SnapshotException? _loss;
    private Task _watch = Task.CompletedTask;
    private Task? _leaving;
    private volatile bool _background;
    private volatile bool _keepStopped;
    private volatile bool _closing;
    private bool _disposed;

    private QemuSession(
        QmpClient monitor, GuardProcess guard, QemuStatus status, IReadOnlyList<FreezeOutcome> recovered, QemuSessionOptions options)
    {
        Monitor = monitor;
        Recovered = recovered;
        InitialStatus = status;
        _guard = guard;
        _options = options;
        Qemu = monitor.PeerProcessId is { } id ? ProcessIdentity.Of(id) : null;
    }

    /// <summary>
    /// The monitor, for queries and events. Commands that change the guest go through the session's own methods, which keep record.
    /// </summary>
    public QmpClient Monitor { get; }

    /// <summary>QEMU's version.</summary>
    public Version Version => Monitor.Greeting!.Version;

    /// <summary>The guest's QEMU; null when its process is not visible from here.</summary>
    public ProcessIdentity? Qemu { get; }

    /// <summary>The run state the guest was found in.</summary>
    public QemuStatus InitialStatus { get; }

    /// <summary>What an earlier job had left in this guest and was put back, for people; usually empty.</summary>
    public IReadOnlyList<FreezeOutcome> Recovered { get; }

    /// <summary>True when the guest ran; only such a guest is ever continued.</summary>
    public bool WasRunning => InitialStatus.Running;

    /// <summary>
    /// Cancelled when the guest went on, or ended, without this session's doing. A cut held then is void; <see cref="Loss"/> says why.
    /// </summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Why the guest is no longer in this session's hand, or null.</summary>
    public SnapshotException? Loss => Volatile.Read(ref _loss);

    internal int GuardProcessId => _guard.Identity.Id;

    /// <summary>Connects, after putting back what a killed job may have left in this guest. Changes nothing else.</summary>
    /// <param name="socketPath">The monitor's socket.</param>
    /// <param name="options">How to use it.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <exception cref="SnapshotException">
    /// It cannot be reached or is in use (see <see cref="QmpException"/>), or the guard cannot be started.
    /// </exception>
    public static async Task<QemuSession> ConnectAsync(string socketPath, QemuSessionOptions options, CancellationToken cancellation)
    {
        // First, since the guard gets ready while everything else goes on.
        var guard = GuardProcess.Start(options.Guard, options.Time);
        QmpClient? monitor = null;
        try
        {
            var recovered = await options.Intents.RecoverAsync(socketPath, cancellation);
            foreach (var outcome in recovered)
            {
                if (outcome.Problem is { } problem) throw problem;
                if (outcome.Status == FreezeOutcome.Held) throw Busy(outcome);
            }
            monitor = await QmpClient.ConnectAsync(Path.GetFullPath(socketPath), options.Time, cancellation);
            var status = await monitor.QueryStatusAsync(QmpClient.CommandDeadline, cancellation);
            return new QemuSession(monitor, guard, status, recovered, options);
        }
        catch
        {
            if (monitor is not null) await monitor.DisposeAsync();
            guard.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes the freeze intent and hands the monitor to the guard, if that is not done. Every change does this by itself; calling it early
    /// takes it out of the time that counts.
    /// </summary>
    public async Task ArmAsync(CancellationToken cancellation)
    {
        await _arming.WaitAsync(cancellation);
        try
        {
            Check();
            if (_intentPath is not null) return;
            var capabilities = Monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, cancellation);
            var parameters = Monitor.QueryParametersAsync(QmpClient.CommandDeadline, cancellation);
            await Task.WhenAll(capabilities, parameters);
            var intent = new FreezeIntent
            {
                Socket = Monitor.Path,
                Qemu = Qemu,
                Worker = ProcessIdentity.Self,
                Guard = _guard.Identity,
                Boot = ProcessIdentity.Boot,
                WasRunning = WasRunning,
                Capabilities = await capabilities,
                Parameters = await parameters,
            };
            var path = _options.Intents.Write(intent);
            try
            {
                // A guest that was paused before may stand still as long as it likes.
                var limit = WasRunning ? _options.FreezeLimit : null;
                await Monitor.RerouteAsync((socket, stop) => _guard.ArmAsync(socket, path, limit, stop), cancellation);
            }
            catch
            {
                FreezeIntents.Remove(path);
                throw;
            }
            (_intent, _intentPath, _capabilities) = (intent, path, intent.Capabilities);
            _watch = WatchAsync();
            // A rehearsal, so that none of this is compiled while the guest stands still.
            await TimeAsync("query-status", "RESUME", cancellation);
        }
        finally
        {
            _arming.Release();
        }
    }

    /// <summary>The guest's run state now.</summary>
    public async Task<QemuStatus> QueryStatusAsync(CancellationToken cancellation)
    {
        var query = Monitor.QueryStatusAsync(QmpClient.CommandDeadline, cancellation);
        await HeldAsync(query);
        return await query;
    }

    /// <summary>The migration under way, or the last one.</summary>
    public async Task<QemuMigration> QueryMigrationAsync(CancellationToken cancellation)
    {
        var query = Monitor.QueryMigrationAsync(QmpClient.CommandDeadline, cancellation);
        await HeldAsync(query);
        return await query;
    }

    /// <summary>
    /// Sets migration capabilities. "events" is on with them, since the guard goes by events; every other one is off, whoever has left it on: most change
    /// the shape of a stream (xbzrle, compress, multifd), some the guest's fate (postcopy). All are put back at the end.
    /// </summary>
    public async Task SetCapabilitiesAsync(IReadOnlyDictionary<string, bool> capabilities, CancellationToken cancellation)
    {
        await ArmAsync(cancellation);
        var wanted = _intent!.Capabilities.Keys.ToDictionary(name => name, _ => false);
        foreach (var (name, state) in capabilities) wanted[name] = state;
        wanted["events"] = true;
        // In one command, since QEMU judges the whole set: what excludes another one goes when that one comes. Only what changes, since it reads its monitors
        // octet by octet: to name all of them kept it busy for 30 ms.
        var changes = wanted.Except(_capabilities).ToList();
        if (changes.Count > 0) await HeldAsync(Monitor.SetCapabilitiesAsync(changes, QmpClient.CommandDeadline, cancellation));
        _capabilities = wanted;
        if (capabilities.TryGetValue("background-snapshot", out var background)) _background = background;
    }

    /// <summary>
    /// Sets migration parameters, such as "max-bandwidth" in octets per second (0 is no limit; the default is 128 MiB/s). Credentials its owner has set for
    /// encrypted migrations are set aside, since the stream goes to a descriptor of this host. All are put back at the end.
    /// </summary>
    public async Task SetParametersAsync(IReadOnlyDictionary<string, long> parameters, CancellationToken cancellation)
    {
        await ArmAsync(cancellation);
        const string Credentials = "tls-creds";
        await HeldAsync(Monitor.ExecuteAsync("migrate-set-parameters", writer =>
        {
            foreach (var (name, value) in parameters) writer.WriteNumber(name, value);
            if (_intent!.Parameters.ContainsKey(Credentials)) writer.WriteString(Credentials, "");
        }, QmpClient.CommandDeadline, cancellation));
    }

    /// <summary>Stops the guest.</summary>
    /// <returns>When, by QEMU's STOP event; null when it was stopped already.</returns>
    public async Task<DateTimeOffset?> StopAsync(CancellationToken cancellation)
    {
        await ArmAsync(cancellation);
        return await TimeAsync("stop", "STOP", cancellation);
    }

    /// <summary>
    /// Continues the guest, again and again while QEMU is still finishing a migration. Takes no cancellation: a guest is thawed in any
    /// case.
    /// </summary>
    /// <returns>When, by QEMU's RESUME event; null when it ran already.</returns>
    /// <exception cref="SnapshotException">QEMU refuses, or the session is <see cref="Lost"/>.</exception>
    public Task<DateTimeOffset?> ContinueAsync()
    {
        Check();
        return TimeAsync("cont", "RESUME", CancellationToken.None);
    }

    /// <summary>
    /// Passes a descriptor to QEMU under a name for <see cref="MigrateAsync"/>. Use one end of a <see cref="UnixSocketPair"/>, so that the
    /// guard can end a write QEMU hangs in; a background snapshot needs a regular file.
    /// </summary>
    public async Task SendDescriptorAsync(string name, SafeHandle descriptor, CancellationToken cancellation)
    {
        await ArmAsync(cancellation);
        if (_background && descriptor is SafeSocketHandle)
        {
            throw new ArgumentException(
                "a background snapshot freezes the guest for ever when its receiver dies: it goes to a regular file", nameof(descriptor));
        }
        await HeldAsync(Monitor.SendDescriptorAsync(name, descriptor, cancellation));
    }

    /// <summary>Begins a migration into a descriptor passed before.</summary>
    public async Task MigrateAsync(string descriptorName, CancellationToken cancellation)
    {
        await ArmAsync(cancellation);
        await HeldAsync(Monitor.ExecuteAsync(
            "migrate", writer => writer.WriteString("uri", "fd:" + descriptorName), QmpClient.CommandDeadline, cancellation));
    }

    /// <summary>
    /// Lets a migration that stands in pre-switchover go on. From here on its stream must be drained without pause: QEMU writes under its
    /// main lock.
    /// </summary>
    public async Task ContinueMigrationAsync(CancellationToken cancellation)
    {
        Check();
        await HeldAsync(Monitor.ExecuteAsync(
            "migrate-continue", writer => writer.WriteString("state", "pre-switchover"), QmpClient.CommandDeadline, cancellation));
    }

    /// <summary>
    /// Cancels the migration under way and waits until it is over. A background snapshot is not cancelled but waited for.
    /// </summary>
    /// <returns>How it ended.</returns>
    public async Task<QemuMigration> CancelMigrationAsync(CancellationToken cancellation)
    {
        Check();
        var migration = await QueryMigrationAsync(cancellation);
        if (!migration.IsOver && !_background) await HeldAsync(Monitor.ExecuteAsync("migrate_cancel", cancellation));
        while (!migration.IsOver)
        {
            await Task.Delay(Poll, _options.Time, cancellation);
            migration = await QueryMigrationAsync(cancellation);
        }
        return migration;
    }

    /// <summary>Says that the checkpoint is safe and the guest shall stay stopped: disposal does not continue it.</summary>
    public void KeepStopped() => _keepStopped = true;

    /// <summary>
    /// Puts everything back and lets go of the guest: what is left to do needs it no more. The disposal waits for the end of that. Does not throw; see
    /// <see cref="Trouble"/>.
    /// </summary>
    public Task LeaveAsync() => _leaving ??= LeaveOnceAsync();

    /// <summary>Puts everything back, if that is not done, and ends the session. Does not throw; see <see cref="Trouble"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        await LeaveAsync();
        _lost.Dispose();
        _arming.Dispose();
    }

    /// <summary>What could not be put back by the disposal, or null.</summary>
    public SnapshotException? Trouble { get; private set; }

    private async Task LeaveOnceAsync()
    {
        if (_intent is not null) await PutBackAsync(_intent, _intentPath!);
        _closing = true;
        await Monitor.DisposeAsync();
        if (_intent is null) _guard.Dispose();
        await _watch;
        await _guard.WaitForEndAsync();
    }

    private async Task PutBackAsync(FreezeIntent intent, string path)
    {
        try
        {
            if (!Monitor.Ended.IsCompleted)
            {
                var outcome = await FreezeRecovery.PutBackAsync(
                    Monitor, intent, !_keepStopped, QmpClient.CommandDeadline, _options.Time, CancellationToken.None);
                Trouble = outcome.Problem;
                if (outcome.Problem is null) FreezeIntents.Remove(path);
            }
        }
        catch (SnapshotException problem)
        {
            // The intent stays: the guard tries on, and after it the next job.
            Trouble = problem;
        }
        // A command that could not be sent any more tells it before the reader does.
        if (!Monitor.Ended.IsCompleted && Trouble is not QmpException { Failure: QmpFailure.Ended }) return;
        // The guard or the guest was quicker, or both are gone; the watch finds out, and does what is left to do.
        await _watch;
        Trouble = File.Exists(path) ? Loss : null;
    }

    private void Check()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Loss is { } loss) throw new SnapshotException(loss.Code, loss.Message, loss.Advice, loss);
    }

    /// <summary>
    /// Waits for a command. When its answer does not come because the guard, or QEMU, was first to end, that is not the news: what became of the guest is.
    /// A worker on a busy host that is late at the freeze limit meets this with its "cont" under way.
    /// </summary>
    private async Task HeldAsync(Task command)
    {
        try
        {
            await command;
        }
        catch (QmpException ended) when (ended.Failure == QmpFailure.Ended && _intent is not null && !_disposed)
        {
            await _watch;
            Check();
            throw;
        }
    }

    /// <summary>
    /// Runs a command, again and again while QEMU is not ready for it, and returns the time of the event it raised, if it raised it.
    /// </summary>
    private async Task<DateTimeOffset?> TimeAsync(string command, string raised, CancellationToken cancellation)
    {
        using var events = Monitor.Subscribe(raised);
        var started = _options.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await HeldAsync(Monitor.ExecuteAsync(command, cancellation));
                // QEMU raises the event inside the command, so it comes before the answer; and only if the state changed.
                return events.TryRead(out var first) ? first.Timestamp : null;
            }
            catch (QmpException refused) when (refused.Failure == QmpFailure.Refused
                && _options.Time.GetElapsedTime(started) < RefusalDeadline)
            {
                // The event that a migration is completed comes before the run state changes: "Migration is not finalized yet".
                await Task.Delay(Poll, _options.Time, cancellation);
            }
        }
    }

    private static SnapshotException Busy(FreezeOutcome outcome) =>
        new(ErrorCode.Locked, $"{outcome.Socket}: another job has this guest: {outcome.Details}",
            outcome.Advice)
        {
            IsPreflight = true,
        };

    /// <summary>
    /// Waits for the end of the channel. When that is not our own doing, finds out whose it was, and puts the guest back if nobody has.
    /// </summary>
    private async Task WatchAsync()
    {
        await Monitor.Ended;
        if (_closing) return;
        SnapshotException loss;
        try
        {
            loss = await LostGuest.FindAsync(Monitor.Path, Qemu, _guard, _options.Intents, _intentPath!);
        }
        catch (SnapshotException problem)
        {
            loss = problem;
        }
        Volatile.Write(ref _loss, loss);
        await _lost.CancelAsync();
    }
}
