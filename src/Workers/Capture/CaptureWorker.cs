using System.Collections.Concurrent;
using System.Threading.Channels;
using Cutpoint.Actors;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// Serves the guests of jobs: one supervisor per guest, an actor of its own. In one process with the coordinator it is the coordinator's port itself.
/// Safe for concurrent use.
/// </summary>
public sealed class CaptureWorker : IWorkerPort, IAsyncDisposable
{
    /// <summary>Reports that may wait. A guest has one command under way, which answers once.</summary>
    private const int MaxReports = 1024;

    private readonly Dictionary<string, IGuestDriver> _drivers;
    private readonly Func<GuestDescription, CancellationToken, ValueTask<IGuestStore>> _openStore;
    private readonly IProgress<JobProgress>? _progress;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<(string Job, string Guest), Served> _guests = new();
    private readonly ConcurrentDictionary<string, StopBarrier> _stops = new();
    private readonly Channel<WorkerReport> _reports = Channel.CreateBounded<WorkerReport>(MaxReports);

    /// <summary>Creates a worker that serves nobody yet.</summary>
    /// <param name="drivers">The kinds of guests it can capture.</param>
    /// <param name="openStore">Makes the place for a guest's state; the guest's name in the job is that of its description.</param>
    /// <param name="progress">Whom to tell how it goes, or null.</param>
    /// <param name="time">The clock.</param>
    public CaptureWorker(
        IEnumerable<IGuestDriver> drivers,
        Func<GuestDescription, CancellationToken, ValueTask<IGuestStore>> openStore,
        IProgress<JobProgress>? progress,
        TimeProvider time)
    {
        _drivers = drivers.ToDictionary(d => d.Scheme, StringComparer.Ordinal);
        _openStore = openStore;
        _progress = progress;
        _time = time;
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(command);
        var guest = _guests.GetOrAdd((command.JobId, command.Guest), key => new Served(this, key.Job, key.Guest));
        if (command is CloseGuest)
        {
            await guest.Closing.CancelAsync();
            await guest.Actor.PostControlAsync(new Commanded(command), cancellation);
            return;
        }
        await guest.Actor.PostAsync(new Commanded(command), cancellation);
    }

    /// <inheritdoc/>
    public ValueTask<WorkerReport> ReceiveAsync(CancellationToken cancellation) => _reports.Reader.ReadAsync(cancellation);

    /// <summary>
    /// Closes every guest that nobody has closed, side by side, so that none stands still for another's sake: each is put back as it was, and what its checkpoint would
    /// need is left, since it may have come into being.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_guests.Select(served => CloseAsync(served.Key.Job, served.Key.Guest, served.Value)));
        _reports.Writer.TryComplete();
    }

    private async Task CloseAsync(string job, string name, Served guest)
    {
        await SendAsync(new CloseGuest(job, name, Keep: false) { IsUndecided = true }, CancellationToken.None);
        await guest.Actor.StopAsync(StopMode.Drain);
        guest.Closing.Dispose();
    }

    private IGuestDriver DriverOf(GuestUri uri) => _drivers.TryGetValue(uri.Scheme, out var driver)
        ? driver
        : throw new SnapshotException(
            ErrorCode.Usage, $"'{uri}': there is no driver for '{uri.Scheme}:' guests", $"known are {string.Join(", ", _drivers.Keys.Select(s => s + ":"))}")
        {
            IsPreflight = true,
        };

    private sealed class Served
    {
        public Served(CaptureWorker worker, string job, string guest)
        {
            var context = new SupervisorContext
            {
                JobId = job,
                Guest = guest,
                Time = worker._time,
                Closing = Closing.Token,
                DriverOf = worker.DriverOf,
                OpenStore = worker._openStore,
                Stops = worker._stops.GetOrAdd(job, static _ => new StopBarrier()),
                ReportAsync = report => worker._reports.Writer.WriteAsync(report),
                Report = progress => worker._progress?.Report(progress),
                // The lane has room for hundreds; a guest has one freeze limit at a time.
                PostControl = message => _ = Actor!.PostControlAsync(message).AsTask(),
            };
            // Supervisors keep their own faults and never throw; one that did would have lost its guest, so it is not restarted.
            Actor = new Actor<GuestMessage>(
                new ActorOptions { Name = $"guest {guest}", Supervise = _ => Supervision.Escalate }, () => new GuestSupervisor(context, null));
        }

        public Actor<GuestMessage> Actor { get; }

        public CancellationTokenSource Closing { get; } = new();
    }
}
