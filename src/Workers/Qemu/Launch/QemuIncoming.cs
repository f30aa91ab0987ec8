using System.ComponentModel;
using System.Globalization;
using System.Net.Sockets;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// A QEMU that waits for a guest's state: launched here from the recorded definition, or started by the user with <c>-incoming defer</c>.
/// In order: load, continue or not, release. Disposal before the release ends a QEMU that was launched here, so a restore that fails leaves
/// nothing behind. Not safe for concurrent use.
/// </summary>
public sealed class QemuIncoming : IAsyncDisposable
{
    private const string StreamName = "cutpoint-restore";
    private const int MaxLogTail = 2000;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LoadDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndDeadline = TimeSpan.FromSeconds(5);

    private readonly QmpClient _monitor;
    private readonly ChildProcess? _process;
    private readonly QemuLaunchPlan? _plan;
    private readonly TimeProvider _time;
    private Dictionary<string, bool> _capabilities = [];
    private bool _released;

    private QemuIncoming(
        QmpClient monitor, ChildProcess? process, QemuLaunchPlan? plan, IReadOnlyDictionary<string, string> blockNames, TimeProvider time)
    {
        _monitor = monitor;
        _process = process;
        _plan = plan;
        _time = time;
        BlockNames = blockNames;
    }

    /// <summary>What this QEMU calls each RAM block of the guest. A stream for it names its blocks so.</summary>
    public IReadOnlyDictionary<string, string> BlockNames { get; }

    /// <summary>QEMU's process, or null when it is not visible from here.</summary>
    public int? ProcessId => _process?.Id ?? _monitor.PeerProcessId;

    /// <summary>Launches the recorded guest in a session of its own, so that it outlives this process, and waits for its monitor.</summary>
    /// <param name="guest">The recorded guest.</param>
    /// <param name="ramFiles">Path of the file that holds a RAM block's contents, by the block's name.</param>
    /// <param name="options">How to start it.</param>
    /// <param name="cancellation">Ends the attempt, and the QEMU with it.</param>
    /// <exception cref="SnapshotException">
    /// It cannot be started (with QEMU's own words), or what started does not fit the guest.
    /// </exception>
    public static async Task<QemuIncoming> LaunchAsync(
        GuestDescription guest, IReadOnlyDictionary<string, string> ramFiles, QemuLaunchOptions options, CancellationToken cancellation)
    {
        var plan = QemuCommandLine.Plan(guest, ramFiles, options);
        Directory.CreateDirectory(options.Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // What is there is from an earlier guest in this directory; a stale socket would be taken for the new one.
        File.Delete(plan.QmpSocket);
        File.Delete(plan.Log);
        foreach (var (disk, overlay) in plan.Disks) MovedDisks.MakeOverlay(disk, overlay, new OverlayLedger());
        var directory = Directory.Exists(plan.WorkingDirectory) ? plan.WorkingDirectory : "/";
        ChildProcess process;
        try
        {
            process = ChildProcess.Start(plan.Program, plan.Arguments, [], plan.Log, directory);
        }
        catch (Win32Exception error)
        {
            throw new SnapshotException(ErrorCode.Incompatible, $"{plan.Program} cannot be started: {error.Message}",
                "install QEMU on this host", error)
            {
                IsPreflight = true,
            };
        }
        QmpClient? monitor = null;
        try
        {
            monitor = await ReachAsync(plan, process, options, cancellation);
            var names = QemuFit.Check(guest, await QemuIdentity.ReadAsync(monitor, cancellation), plan.QmpSocket);
            return new QemuIncoming(monitor, process, plan, names, options.Time);
        }
        catch
        {
            process.Kill();
            if (monitor is not null) await monitor.DisposeAsync();
            throw;
        }
    }

    /// <summary>Connects to a QEMU that the user has started with <c>-incoming defer</c>.</summary>
    /// <exception cref="SnapshotException">It cannot be reached, does not wait, or does not fit the guest.</exception>
    public static async Task<QemuIncoming> ConnectAsync(
        string socketPath, GuestDescription guest, TimeProvider time, CancellationToken cancellation)
    {
        var monitor = await QmpClient.ConnectAsync(Path.GetFullPath(socketPath), time, cancellation);
        try
        {
            var status = await monitor.QueryStatusAsync(QmpClient.CommandDeadline, cancellation);
            if (status.Name != "inmigrate")
            {
                throw new SnapshotException(ErrorCode.Incompatible,
                    $"{socketPath}: this QEMU does not wait for a guest (its state is '{status.Name}')", "start it with -incoming defer")
                {
                    IsPreflight = true,
                };
            }
            var names = QemuFit.Check(guest, await QemuIdentity.ReadAsync(monitor, cancellation), socketPath);
            return new QemuIncoming(monitor, null, null, names, time);
        }
        catch
        {
            await monitor.DisposeAsync();
            throw;
        }
    }

    /// <summary>Loads the guest's state; the guest stands still afterwards whatever it did before.</summary>
    /// <param name="write">
    /// Writes the migration stream. It is called once; a stream that ends early makes QEMU refuse it. Its own errors are passed on unless
    /// QEMU ended first.
    /// </param>
    /// <param name="ignoreShared">True when RAM files hold the blocks and the stream was made with "x-ignore-shared".</param>
    /// <param name="cancellation">Ends the load; this QEMU is then of no more use.</param>
    /// <exception cref="SnapshotException">QEMU does not accept the state; the message holds its own words.</exception>
    public async Task LoadAsync(Func<Stream, CancellationToken, Task> write, bool ignoreShared, CancellationToken cancellation)
    {
        _capabilities = await _monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, cancellation);
        if (ignoreShared && !_capabilities.ContainsKey("x-ignore-shared"))
        {
            throw new SnapshotException(ErrorCode.Incompatible,
                $"{_monitor.Path}: QEMU {_monitor.Greeting!.Version} has no migration capability 'x-ignore-shared'", "use a newer QEMU")
            {
                IsPreflight = true,
            };
        }
        // A saved state that says "running" would start the guest at the end of the load; a stop before the load takes that back.
        await _monitor.ExecuteAsync("stop", cancellation);
        await _monitor.SetCapabilitiesAsync(
            [new("events", true), new("x-ignore-shared", ignoreShared)], QmpClient.CommandDeadline, cancellation);
        var (ours, theirs) = UnixSocketPair.Create();
        using var events = _monitor.Subscribe("MIGRATION");
        try
        {
            using (theirs) await _monitor.SendDescriptorAsync(StreamName, theirs, cancellation);
            await _monitor.ExecuteAsync(
                "migrate-incoming", writer => writer.WriteString("uri", "fd:" + StreamName), LoadDeadline, cancellation);
            await using (var stream = new NetworkStream(ours, ownsSocket: true))
            {
                await write(stream, cancellation);
                ours.Shutdown(SocketShutdown.Send);
                var end = await events.WaitAsync(IsEnd, LoadDeadline, cancellation);
                if (end.Text("status") != "completed")
                    throw Refused((await _monitor.QueryMigrationAsync(QmpClient.CommandDeadline, cancellation)).Error);
            }
            // QEMU locks the images only from here on: nobody writes to them any more, and whoever did it before is noticed.
            foreach (var (disk, _) in _plan?.Disks ?? []) MovedDisks.CheckImage(disk, new OverlayLedger());
        }
        catch (Exception error) when (error is QmpException { Failure: QmpFailure.Ended } or IOException or SocketException)
        {
            // QEMU ends with a text on its standard error when it does not like a state; what is seen here is only that it went.
            if (await HasEndedAsync()) throw Refused(LogTail(), error);
            throw;
        }
    }

    /// <summary>Lets the loaded guest run.</summary>
    /// <returns>When it went on, by QEMU's RESUME event.</returns>
    public async Task<DateTimeOffset?> ContinueAsync(CancellationToken cancellation)
    {
        using var events = _monitor.Subscribe("RESUME");
        await _monitor.ExecuteAsync("cont", cancellation);
        return events.TryRead(out var resume) ? resume.Timestamp : null;
    }

    /// <summary>
    /// Gives the guest its own life: capabilities as before, the monitor free for others, and no more ended by the disposal.
    /// </summary>
    public async Task<RunningGuest> ReleaseAsync(CancellationToken cancellation)
    {
        var now = await _monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, cancellation);
        var altered = _capabilities.Where(entry => now.TryGetValue(entry.Key, out var state) && state != entry.Value).ToList();
        if (altered.Count > 0) await _monitor.SetCapabilitiesAsync(altered, QmpClient.CommandDeadline, cancellation);
        var status = await _monitor.QueryStatusAsync(QmpClient.CommandDeadline, cancellation);
        _released = true;
        return new RunningGuest(ProcessId, _monitor.Path, status)
        {
            Log = _plan?.Log, Moved = _plan?.Moved ?? new Dictionary<string, string>(),
        };
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _monitor.DisposeAsync();
        if (_released || _process is null) return;
        _process.Kill();
        await _process.Exited;
    }

    private static bool IsEnd(QmpEvent next) => next.Text("status") is "completed" or "failed" or "cancelled";

    private static async Task<QmpClient> ReachAsync(
        QemuLaunchPlan plan, ChildProcess process, QemuLaunchOptions options, CancellationToken cancellation)
    {
        var started = options.Time.GetTimestamp();
        while (true)
        {
            // QEMU makes the socket early in its start and greets when it is up.
            if (File.Exists(plan.QmpSocket))
            {
                try
                {
                    return await QmpClient.ConnectAsync(plan.QmpSocket, options.Time, cancellation);
                }
                catch (QmpException error) when (error.Failure is QmpFailure.NobodyListens or QmpFailure.NotQmp or QmpFailure.Ended)
                {
                    // Between bind and listen, or it ended during its start: the next round tells which.
                }
            }
            if (process.Exited.IsCompleted) throw NotStarted(plan, await process.Exited);
            if (options.Time.GetElapsedTime(started) > options.StartDeadline)
            {
                throw new SnapshotException(ErrorCode.Failed,
                    $"{plan.Program} opened no monitor within {options.StartDeadline.TotalSeconds:0} s", $"see {plan.Log}");
            }
            await Task.Delay(Poll, options.Time, cancellation);
        }
    }

    private static SnapshotException NotStarted(QemuLaunchPlan plan, int code)
    {
        var text = Tail(plan.Log);
        var reason = text.Length > 0 ? text : string.Create(CultureInfo.InvariantCulture, $"it ended with code {code} and said nothing");
        return new SnapshotException(ErrorCode.Incompatible, $"QEMU did not start: {reason}",
            "see that the files, disks and ports of the recorded command line are there and free");
    }

    private SnapshotException Refused(string? reason, Exception? inner = null) =>
        new(ErrorCode.Incompatible,
            $"QEMU did not accept the guest's state: {(string.IsNullOrEmpty(reason) ? "it gave no reason" : reason)}",
            _plan is null ? "see what that QEMU wrote to its standard error" : $"see {_plan.Log}", inner);

    private async Task<bool> HasEndedAsync()
    {
        try
        {
            await (_process is null ? _monitor.Ended : (Task)_process.Exited).WaitAsync(EndDeadline, _time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private string? LogTail() => _plan is null ? null : Tail(_plan.Log);

    /// <summary>The end of QEMU's messages on one line.</summary>
    private static string Tail(string log)
    {
        if (!File.Exists(log)) return "";
        var text = File.ReadAllText(log);
        var lines = text[Math.Max(0, text.Length - MaxLogTail)..].Split('\n',
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return string.Join("; ", lines);
    }
}
