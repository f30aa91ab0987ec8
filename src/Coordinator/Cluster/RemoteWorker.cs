using System.Threading.Channels;
using Cutpoint.Jobs;
using Cutpoint.Nodes;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>
/// The line of one job to one worker on another node. A worker that cannot be reached, whose line breaks or whose lease is over is lost to this process of the
/// job: so are its guests, and nothing it says later is heard. One that refuses fails them. Safe for concurrent use.
/// </summary>
internal sealed class RemoteWorker : IAsyncDisposable
{
    private readonly NodeAddress _address;
    private readonly WorkerLines _lines;
    private readonly ChannelWriter<WorkerReport> _reports;
    private readonly Channel<WorkerCommand> _commands;
    private readonly CancellationTokenSource _closing = new();
    private readonly WorkerClock _clock;
    private readonly Lock _gate = new();
    // True once a guest is to be closed; those that are closed are not here.
    private readonly Dictionary<string, bool> _open = new(StringComparer.Ordinal);
    private readonly List<(NodeLine Line, Task Serving)> _stores = [];
    private readonly Task _running;
    private JobError? _loss;
    private bool _wasReached;

    /// <summary>Begins to connect.</summary>
    /// <param name="address">Where the worker listens.</param>
    /// <param name="lines">What it has in common with those to other workers.</param>
    /// <param name="reports">Where what it says goes; has room for all of it.</param>
    public RemoteWorker(NodeAddress address, WorkerLines lines, ChannelWriter<WorkerReport> reports)
    {
        _address = address;
        _lines = lines;
        _reports = reports;
        _clock = new WorkerClock(lines.Time);
        // A guest has one command under way and one that closes it.
        _commands = Channel.CreateBounded<WorkerCommand>(2 * lines.Plan.Guests.Count);
        _running = RunAsync();
    }

    private TimeProvider Time => _lines.Time;

    /// <summary>Hands a command over; to a worker that is lost nothing is said any more, but the close of a guest is answered.</summary>
    public async ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation)
    {
        WorkerReport? answer = null;
        lock (_gate)
        {
            if (command is OpenGuest) _open[command.Guest] = false;
            else if (command is CloseGuest && _open.ContainsKey(command.Guest)) _open[command.Guest] = true;
            if (_loss is { } loss)
            {
                answer = command switch
                {
                    OpenGuest => Lost(command.Guest, loss),
                    CloseGuest when _open.Remove(command.Guest) => new GuestClosed(command.JobId, command.Guest, loss),
                    _ => null,
                };
                if (answer is null) return;
            }
        }
        if (answer is not null) await _reports.WriteAsync(answer, cancellation);
        else await _commands.Writer.WriteAsync(command, cancellation);
    }

    /// <summary>Ends the line. Guests that were not closed are put back by the worker.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _running;
        _closing.Dispose();
    }

    /// <summary>From the first octet to the loss; never throws.</summary>
    private async Task RunAsync()
    {
        JobError loss;
        NodeLine? line = null;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        List<Task> loops = [];
        try
        {
            line = await ConnectAsync(null, over.Token);
            _wasReached = true;
            loops = [SendAsync(line, over.Token), ReceiveAsync(line, over.Token), BeatAsync(line, over.Token)];
            await await Task.WhenAny(loops);
            loss = new JobError(ErrorCode.Locked, $"{line.Peer} is lost: it has closed the line", "look at what it says");
        }
        catch (Exception error)
        {
            loss = JobError.From(error);
        }
        await over.CancelAsync();
        line?.Dispose();
        List<(NodeLine Line, Task Serving)> stores;
        lock (_gate) stores = [.. _stores];
        foreach (var store in stores) store.Line.Dispose();
        await Task.WhenAll([.. loops, .. stores.Select(store => store.Serving)]).ContinueWith(static _ => { }, TaskScheduler.Default);
        Lose(loss);
    }

    private Task<NodeLine> ConnectAsync(string? guest, CancellationToken cancellation) => NodeLine.ConnectAsync(
        _address, _lines.Secret, new NodeGreeting
        {
            JobId = _lines.Plan.JobId, Epoch = _lines.Epoch, Guest = guest, Repository = guest is null ? _lines.Plan.Options.Repository : null,
        }, Time, cancellation);

    private async Task SendAsync(NodeLine line, CancellationToken cancellation)
    {
        await foreach (var command in _commands.Reader.ReadAllAsync(cancellation))
        {
            if (command is OpenGuest open) await ServeStoreAsync(open, cancellation);
            // So that there is a fresh look at its clock before every cut.
            await SendBeatAsync(line);
            _clock.Sending(command);
            await line.SendAsync(FrameKind.Command, command, JobJson.Default.WorkerCommand);
        }
    }

    private async Task ServeStoreAsync(OpenGuest open, CancellationToken cancellation)
    {
        var line = await ConnectAsync(open.Guest, cancellation);
        lock (_gate) _stores.Add((line, new GuestStoreServer(line, open.Guest, open.Codec, _lines.OpenStore).RunAsync(cancellation)));
    }

    private async Task BeatAsync(NodeLine line, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(NodeLease.Interval, Time);
        do await SendBeatAsync(line);
        while (await timer.WaitForNextTickAsync(cancellation));
    }

    private Task SendBeatAsync(NodeLine line) => line.SendAsync(FrameKind.Beat, new NodeBeat(Time.GetTimestamp(), Time.GetUtcNow()), NodeJson.Default.NodeBeat);

    private async Task ReceiveAsync(NodeLine line, CancellationToken cancellation)
    {
        while (await line.ReceiveAsync(NodeLease.OfCoordinator, cancellation) is { } frame)
        {
            switch (frame.Kind)
            {
                case FrameKind.Beat:
                    var beat = line.Read(frame, NodeJson.Default.NodeBeat);
                    _clock.Answered(beat.Number, beat.At);
                    break;
                case FrameKind.Report:
                    await HearAsync(line.Read(frame, JobJson.Default.WorkerReport), cancellation);
                    break;
                case FrameKind.Overlays:
                    var missing = await _lines.Missing(line.Read(frame, NodeJson.Default.CheckpointIds).Ids, cancellation);
                    await line.SendAsync(FrameKind.Missing, new CheckpointIds([.. missing]), NodeJson.Default.CheckpointIds);
                    break;
                case FrameKind.Progress:
                    _lines.Progress?.Report(line.Read(frame, JobJson.Default.JobProgress));
                    break;
                default:
                    throw line.Unexpected(frame);
            }
        }
    }

    private async Task HearAsync(WorkerReport report, CancellationToken cancellation)
    {
        lock (_gate)
        {
            // Of guests that are no more, or of others' guests, it has nothing to say.
            if (report.JobId != _lines.Plan.JobId || !_open.ContainsKey(report.Guest)) return;
            if (report is GuestClosed) _open.Remove(report.Guest);
        }
        await _reports.WriteAsync(_clock.Ours(report), cancellation);
    }

    private WorkerReport Lost(string guest, JobError loss) =>
        loss.Code == ErrorCode.Locked ? new GuestLost(_lines.Plan.JobId, guest, loss, _wasReached) : new GuestFailed(_lines.Plan.JobId, guest, loss);

    /// <summary>Says of each guest that is not closed that it is lost or has failed, or that it is closed when that is what is waited for.</summary>
    private void Lose(JobError loss)
    {
        lock (_gate)
        {
            _loss = loss;
            foreach (var (guest, isClosing) in _open.ToList())
            {
                if (isClosing) _open.Remove(guest);
                _reports.TryWrite(isClosing ? new GuestClosed(_lines.Plan.JobId, guest, loss) : Lost(guest, loss));
            }
        }
    }
}
