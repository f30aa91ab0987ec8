using System.Threading.Channels;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>The line to the workers of a job on several nodes: each guest is served by the node its plan names, or by the worker in this process.</summary>
public sealed class WorkerFleet : IWorkerPort, IAsyncDisposable
{
    /// <summary>Of one guest: the answer to the command under way, the end of its cut, a failure, the loss of its worker, its close; nothing waits for room.</summary>
    private const int ReportsOfGuest = 5;

    private readonly Dictionary<string, RemoteWorker> _workers;
    private readonly IWorkerPort _local;
    private readonly Channel<WorkerReport> _reports;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _listening;

    /// <summary>Begins to connect to every node a guest is served by.</summary>
    /// <param name="local">The worker in this process; not owned.</param>
    /// <param name="lines">The job and what its lines need.</param>
    public WorkerFleet(IWorkerPort local, WorkerLines lines)
    {
        ArgumentNullException.ThrowIfNull(lines);
        _local = local;
        _reports = Channel.CreateBounded<WorkerReport>(ReportsOfGuest * lines.Plan.Guests.Count);
        var nodes = lines.Plan.Guests.Where(guest => guest.Node is not null).GroupBy(guest => lines.Addresses[guest.Node!]);
        _workers = nodes.SelectMany(node =>
        {
            var worker = new RemoteWorker(node.Key, lines, _reports.Writer);
            return node.Select(guest => (guest.Name, Worker: worker));
        }).ToDictionary(one => one.Name, one => one.Worker, StringComparer.Ordinal);
        _listening = ListenAsync();
    }

    /// <inheritdoc/>
    public ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(command);
        return _workers.TryGetValue(command.Guest, out var worker) ? worker.SendAsync(command, cancellation) : _local.SendAsync(command, cancellation);
    }

    /// <inheritdoc/>
    public ValueTask<WorkerReport> ReceiveAsync(CancellationToken cancellation) => _reports.Reader.ReadAsync(cancellation);

    /// <summary>Ends every line.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        foreach (var worker in _workers.Values.Distinct()) await worker.DisposeAsync();
        await _listening;
        _closing.Dispose();
    }

    private async Task ListenAsync()
    {
        try
        {
            while (true) await _reports.Writer.WriteAsync(await _local.ReceiveAsync(_closing.Token), _closing.Token);
        }
        catch (Exception error)
        {
            if (!_closing.IsCancellationRequested) _reports.Writer.TryComplete(error);
        }
    }
}
