using System.Collections.Concurrent;
using System.Threading.Channels;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Nodes;

/// <summary>
/// The guests of one job, served to one coordinator over its line. Whatever ends the line, or the coordinator's lease on it, puts every guest back: nothing
/// of the job is left here then.
/// </summary>
internal sealed class ServedJob(
    NodeLine line, NodeGreeting greeting, IReadOnlyList<IGuestDriver> drivers, OverlayUpkeep overlays, SemaphoreSlim upkeep, Action<string> note, TimeProvider time)
{
    /// <summary>Commands that may wait while overlays are merged; a coordinator opens its guests and waits then.</summary>
    private const int MaxCommands = 1024;

    /// <summary>Moments of progress that may wait to be sent; of more the oldest are dropped.</summary>
    private const int MaxProgress = 64;

    private readonly ConcurrentDictionary<string, NodeLine> _stores = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<RemoteGuestStore> _opened = [];
    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IReadOnlySet<string>> _missing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<WorkerCommand> _commands = Channel.CreateBounded<WorkerCommand>(MaxCommands);
    private readonly Channel<JobProgress> _progress =
        Channel.CreateBounded<JobProgress>(new BoundedChannelOptions(MaxProgress) { FullMode = BoundedChannelFullMode.DropOldest });

    /// <summary>The job.</summary>
    public string Id => greeting.JobId;

    /// <summary>Which coordinator of the job it is served to.</summary>
    public int Epoch => greeting.Epoch;

    /// <summary>Serves until the line ends, or until told to end.</summary>
    /// <exception cref="SnapshotException">The line broke, or its lease is over; every guest is put back all the same.</exception>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var worker = new CaptureWorker(drivers, OpenStoreAsync, new Told(_progress.Writer), time);
        Task[] loops = [ReceiveAsync(over.Token), ObeyAsync(worker, over.Token), ReportAsync(worker, over.Token), TellAsync(over.Token)];
        try
        {
            await await Task.WhenAny([_ending.Task, .. loops]);
        }
        catch (OperationCanceledException)
        {
        }
        finally
        {
            // The lines first: what waits for an end that does not read must not keep a guest from being put back.
            await over.CancelAsync();
            line.Dispose();
            foreach (var store in _stores.Values) store.Dispose();
            var dropped = DropAsync(worker);
            await worker.DisposeAsync();
            await Task.WhenAll([dropped, .. loops]).ContinueWith(static _ => { }, TaskScheduler.Default);
            foreach (var store in _opened) store.Dispose();
        }
    }

    /// <summary>Ends the session of an older coordinator. Returns when every guest is put back.</summary>
    public async Task EndAsync()
    {
        _ending.TrySetResult();
        await _ended.Task;
    }

    /// <summary>Says that every guest is put back.</summary>
    public void Ended() => _ended.TrySetResult();

    /// <summary>Takes the line for the state of one guest. Returns when the job is over.</summary>
    public async Task ServeStoreAsync(string guest, NodeLine store)
    {
        if (!_stores.TryAdd(guest, store)) throw new SnapshotException(ErrorCode.Locked, $"guest '{guest}' of job {Id} has a line for its state already", null);
        await store.SendAsync(FrameKind.Welcome);
        await _ended.Task;
    }

    private async ValueTask<IGuestStore> OpenStoreAsync(GuestDescription guest, CancellationToken cancellation)
    {
        var store = await RemoteGuestStore.OpenAsync(
            _stores.GetValueOrDefault(guest.Name) ?? throw new SnapshotException(ErrorCode.Failed, $"there is no line for the state of guest '{guest.Name}'", null),
            guest, cancellation);
        _opened.Add(store);
        return store;
    }

    /// <summary>
    /// Before the first guest is opened, since a monitor serves one client: merges the overlays no checkpoint of this repository needs any more, by the
    /// coordinator's word, one job after the other. Nothing of it is the job's fault.
    /// </summary>
    private async Task ObeyAsync(CaptureWorker worker, CancellationToken cancellation)
    {
        await upkeep.WaitAsync(cancellation);
        try
        {
            var outcomes = await overlays.RunAsync(greeting.Repository ?? "", AskAsync, null, cancellation);
            foreach (var outcome in outcomes) note($"job {Id}: {outcome}");
        }
        catch (SnapshotException unreadable)
        {
            note($"job {Id}: {unreadable.Message}");
        }
        finally
        {
            upkeep.Release();
        }
        await foreach (var command in _commands.Reader.ReadAllAsync(cancellation)) await worker.SendAsync(command, cancellation);

        async Task<IReadOnlySet<string>> AskAsync(IReadOnlyList<string> checkpoints)
        {
            await line.SendAsync(FrameKind.Overlays, new CheckpointIds(checkpoints), NodeJson.Default.CheckpointIds);
            return await _missing.Task.WaitAsync(cancellation);
        }
    }

    private async Task ReceiveAsync(CancellationToken cancellation)
    {
        while (await line.ReceiveAsync(NodeLease.OfWorker, cancellation) is { } frame)
        {
            switch (frame.Kind)
            {
                case FrameKind.Beat:
                    var beat = line.Read(frame, NodeJson.Default.NodeBeat);
                    await line.SendAsync(FrameKind.Beat, beat with { At = time.GetUtcNow() }, NodeJson.Default.NodeBeat);
                    break;
                case FrameKind.Command:
                    await _commands.Writer.WriteAsync(Checked(line.Read(frame, JobJson.Default.WorkerCommand)), cancellation);
                    break;
                case FrameKind.Missing:
                    _missing.TrySetResult(line.Read(frame, NodeJson.Default.CheckpointIds).Ids.ToHashSet());
                    break;
                default:
                    throw line.Unexpected(frame);
            }
        }
    }

    private WorkerCommand Checked(WorkerCommand command)
    {
        if (command.JobId != Id || command.Version != 1 || command.Guest is null)
            throw new SnapshotException(ErrorCode.Incompatible, $"{line.Peer} sends a command of job {command.JobId} where it must not", "use the same version of Cutpoint everywhere");
        // Scratch files lie where this node has its own.
        return command is OpenGuest open ? open with { Options = open.Options with { ScratchDirectory = null } } : command;
    }

    private async Task ReportAsync(CaptureWorker worker, CancellationToken cancellation)
    {
        while (true) await line.SendAsync(FrameKind.Report, await worker.ReceiveAsync(cancellation), JobJson.Default.WorkerReport);
    }

    /// <summary>What is said after the line has ended is for nobody, and must not keep those who say it.</summary>
    private static async Task DropAsync(CaptureWorker worker)
    {
        while (true) await worker.ReceiveAsync(CancellationToken.None);
    }

    private async Task TellAsync(CancellationToken cancellation)
    {
        await foreach (var moment in _progress.Reader.ReadAllAsync(cancellation)) await line.SendAsync(FrameKind.Progress, moment, JobJson.Default.JobProgress);
    }

    private sealed class Told(ChannelWriter<JobProgress> moments) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => moments.TryWrite(value);
    }
}
