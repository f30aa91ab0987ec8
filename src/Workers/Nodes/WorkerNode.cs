using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Nodes;

/// <summary>
/// Serves the guests of one machine to coordinators elsewhere. A job is served to one coordinator at a time, and to the one of the highest epoch: a newer
/// one ends the session of an older one, whose guests are put back first; an older one is refused.
/// </summary>
public sealed class WorkerNode : IDisposable
{
    /// <summary>Connections that may be without proof at once; more wait.</summary>
    private const int MaxGreetings = 32;

    private readonly IReadOnlyList<IGuestDriver> _drivers;
    private readonly OverlayUpkeep _overlays;
    private readonly NodeSecret _secret;
    private readonly Action<string> _note;
    private readonly TimeProvider _time;
    private readonly X509Certificate2 _certificate;
    private readonly Socket _listener;
    private readonly SemaphoreSlim _greetings = new(MaxGreetings);
    private readonly SemaphoreSlim _upkeep = new(1);
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ServedJob> _jobs = new(StringComparer.Ordinal);

    private WorkerNode(Socket listener, IReadOnlyList<IGuestDriver> drivers, OverlayUpkeep overlays, NodeSecret secret, Action<string> note, TimeProvider time)
    {
        _listener = listener;
        _drivers = drivers;
        _overlays = overlays;
        _secret = secret;
        _note = note;
        _time = time;
        _certificate = NodeCertificate.Create(time);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>Begins to listen.</summary>
    /// <param name="address">Where.</param>
    /// <param name="drivers">The kinds of guests it can capture; not owned.</param>
    /// <param name="overlays">Merges overlays of disks of this host that are not needed any more.</param>
    /// <param name="secret">The secret of the cluster.</param>
    /// <param name="note">Told, in a line for people, what begins and ends; any thread.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <exception cref="SnapshotException">The address cannot be had.</exception>
    public static async Task<WorkerNode> ListenAsync(
        NodeAddress address, IReadOnlyList<IGuestDriver> drivers, OverlayUpkeep overlays, NodeSecret secret, Action<string> note, TimeProvider time,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(address);
        Socket? listener = null;
        try
        {
            // The name service refuses the address that stands for all of the machine's.
            var host = IPAddress.TryParse(address.Host, out var literal) ? literal : (await Dns.GetHostAddressesAsync(address.Host, cancellation))[0];
            listener = new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(host, address.Port));
            listener.Listen();
            return new WorkerNode(listener, drivers, overlays, secret, note, time);
        }
        catch (SocketException error)
        {
            listener?.Dispose();
            throw new SnapshotException(ErrorCode.Failed, $"cannot listen on {address}: {error.Message}", "name an address of this machine and a free port with --listen", error)
            {
                IsPreflight = true,
            };
        }
    }

    /// <summary>Serves until cancelled, and then puts every guest back.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await _greetings.WaitAsync(cancellation);
                Socket socket;
                try
                {
                    socket = await _listener.AcceptAsync(cancellation);
                }
                catch
                {
                    _greetings.Release();
                    throw;
                }
                var connection = ServeAsync(socket, cancellation);
                _connections.TryAdd(connection, true);
                _ = connection.ContinueWith(ended => _connections.TryRemove(ended, out _), TaskScheduler.Default);
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(_connections.Keys);
        }
    }

    /// <summary>Stops to listen. Only after <see cref="RunAsync"/>.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        _certificate.Dispose();
        _greetings.Dispose();
        _upkeep.Dispose();
    }

    /// <summary>One connection, to its end; never throws.</summary>
    private async Task ServeAsync(Socket socket, CancellationToken stopping)
    {
        NodeLine? line = null;
        try
        {
            NodeGreeting greeting;
            try
            {
                using var patience = new CancellationTokenSource(NodeLine.GreetingTime, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stopping);
                (line, greeting) = await NodeLine.AcceptAsync(socket, _secret, _certificate, _time, either.Token);
            }
            finally
            {
                _greetings.Release();
            }
            if (greeting.Guest is { } guest) await ServeStoreAsync(line, greeting, guest);
            else await ServeJobAsync(line, greeting, stopping);
        }
        catch (OperationCanceledException)
        {
            if (!stopping.IsCancellationRequested) _note("a connection was closed: it did not say in time what it wants");
        }
        catch (Exception error)
        {
            _note(JobError.From(error).Message);
            if (line is not null) await line.FailAsync(error);
        }
        finally
        {
            line?.Dispose();
            socket.Dispose();
        }
    }

    private async Task ServeJobAsync(NodeLine line, NodeGreeting greeting, CancellationToken stopping)
    {
        var job = new ServedJob(line, greeting, _drivers, _overlays, _upkeep, _note, _time);
        await EnterAsync(job, stopping);
        try
        {
            _note($"job {job.Id}: {line.Peer} has come (epoch {job.Epoch})");
            await line.SendAsync(FrameKind.Welcome);
            await job.RunAsync(stopping);
            _note($"job {job.Id}: {line.Peer} has gone, every guest is put back");
        }
        catch (SnapshotException error)
        {
            _note($"job {job.Id}: {error.Message}; every guest is put back");
        }
        finally
        {
            lock (_gate)
            {
                if (_jobs.GetValueOrDefault(job.Id) == job) _jobs.Remove(job.Id);
            }
            job.Ended();
        }
    }

    /// <summary>Makes a job the one that is served, once the session of an older coordinator is over.</summary>
    private async Task EnterAsync(ServedJob job, CancellationToken stopping)
    {
        while (true)
        {
            ServedJob? other;
            lock (_gate)
            {
                if (!_jobs.TryGetValue(job.Id, out other))
                {
                    _jobs[job.Id] = job;
                    return;
                }
            }
            if (other.Epoch >= job.Epoch)
            {
                throw new SnapshotException(
                    ErrorCode.Locked, $"job {job.Id} is served to another coordinator (epoch {other.Epoch}, yours is {job.Epoch})", "look who else runs the job");
            }
            await other.EndAsync().WaitAsync(stopping);
        }
    }

    private async Task ServeStoreAsync(NodeLine line, NodeGreeting greeting, string guest)
    {
        ServedJob? job;
        lock (_gate) job = _jobs.GetValueOrDefault(greeting.JobId);
        if (job is null || job.Epoch != greeting.Epoch)
            throw new SnapshotException(ErrorCode.Locked, $"job {greeting.JobId} is not served to a coordinator of epoch {greeting.Epoch}", "connect for the job first");
        await job.ServeStoreAsync(guest, line);
    }
}
