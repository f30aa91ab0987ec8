using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>
/// Comes to a worker for no guest's sake, as a job without guests. The worker asks, as at the beginning of any job, which of the checkpoints it has overlays of disks for
/// are not needed any more, and merges those.
/// </summary>
public static class WorkerVisit
{
    /// <summary>The name of no guest: its close is answered once everything before it is done, and changes nothing.</summary>
    private const string NoGuest = "none";

    /// <summary>Visits a worker; returns when it has merged what can be merged.</summary>
    /// <param name="address">Where it listens.</param>
    /// <param name="secret">The secret of the cluster.</param>
    /// <param name="repository">What the repository is called in notes of overlays.</param>
    /// <param name="missing">Says which of some checkpoints are not in it and cannot come into being any more.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the visit; what is merged by half is gone on with by the next one.</param>
    /// <exception cref="SnapshotException">The worker cannot be reached, is lost, or refuses.</exception>
    public static async Task RunAsync(
        NodeAddress address, NodeSecret secret, string repository, Func<IReadOnlyList<string>, CancellationToken, Task<IReadOnlySet<string>>> missing, TimeProvider time,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(missing);
        ArgumentNullException.ThrowIfNull(time);
        var job = Ulid.Create(time).ToString();
        using var line = await NodeLine.ConnectAsync(address, secret, new NodeGreeting { JobId = job, Epoch = 1, Repository = repository }, time, cancellation);
        await line.SendAsync(FrameKind.Command, new CloseGuest(job, NoGuest, Keep: false), JobJson.Default.WorkerCommand);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var beating = BeatAsync(line, time, over.Token);
        try
        {
            while (await line.ReceiveAsync(NodeLease.OfCoordinator, cancellation) is { } frame)
            {
                switch (frame.Kind)
                {
                    case FrameKind.Beat:
                        break;
                    case FrameKind.Overlays:
                        var gone = await missing(line.Read(frame, NodeJson.Default.CheckpointIds).Ids, cancellation);
                        await line.SendAsync(FrameKind.Missing, new CheckpointIds([.. gone]), NodeJson.Default.CheckpointIds);
                        break;
                    case FrameKind.Report:
                        return;
                    default:
                        throw line.Unexpected(frame);
                }
            }
            throw new SnapshotException(ErrorCode.Locked, $"{line.Peer} has closed the line before it was through", "look at what it says") { IsTransient = true };
        }
        finally
        {
            await over.CancelAsync();
            await beating.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task BeatAsync(NodeLine line, TimeProvider time, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(NodeLease.Interval, time);
        do await line.SendAsync(FrameKind.Beat, new NodeBeat(time.GetTimestamp(), time.GetUtcNow()), NodeJson.Default.NodeBeat);
        while (await timer.WaitForNextTickAsync(cancellation));
    }
}
