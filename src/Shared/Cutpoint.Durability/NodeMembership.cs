namespace Cutpoint.Durability;

/// <summary>
/// Keeps a node in the registry while it runs: joins, gives signs of life, notices who is lost, and leaves in order. A database that is away ends nothing: the
/// node is lost to others until it is back, and goes on with what it does. Only a name that another living node has ends the node.
/// </summary>
/// <param name="open">Connects to the registry's database; owned by the caller, and asked until it succeeds.</param>
/// <param name="node">The node.</param>
/// <param name="note">Told, in a line for people, what becomes of the registration.</param>
/// <param name="time">The clock.</param>
public sealed class NodeMembership(Func<CancellationToken, Task<Database>> open, NodeDescription node, Action<string> note, TimeProvider time)
{
    private const int LeavingAttempts = 3;
    private static readonly TimeSpan LeavingTime = TimeSpan.FromSeconds(2);

    private readonly string _holder = Guid.NewGuid().ToString("n");
    private bool _isAway;

    /// <summary>Stays registered until cancelled.</summary>
    /// <exception cref="SnapshotException">
    /// Another living node has the name (<see cref="ErrorCode.Locked"/>), or the database refuses this node before it has ever registered.
    /// </exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        NodeRegistry? registry = null;
        Lease? lease = null;
        long? heldUntil = null;
        var isKnown = false;
        try
        {
            while (true)
            {
                try
                {
                    registry ??= new NodeRegistry(await open(cancellation).ConfigureAwait(false));
                    if (lease is null)
                    {
                        lease = await registry.JoinAsync(node, _holder, cancellation).ConfigureAwait(false);
                        if (lease is null) heldUntil = await StillHeldAsync(registry, heldUntil, cancellation).ConfigureAwait(false);
                        else note($"registered as '{node.Name}' (epoch {lease.Epoch})");
                    }
                    else if (!await registry.KeepAsync(lease, cancellation).ConfigureAwait(false))
                    {
                        note($"another node was '{node.Name}' while this one was not heard of");
                        (lease, heldUntil) = (null, null);
                        continue;
                    }
                    isKnown |= lease is not null;
                    foreach (var name in await registry.RecordLossesAsync(cancellation).ConfigureAwait(false)) note($"node '{name}' is lost");
                    Heard();
                }
                catch (SnapshotException error) when (error.Code != ErrorCode.Locked && (error.IsTransient || isKnown))
                {
                    Missed(error);
                }
                await Task.Delay(NodeRegistry.Interval, time, cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
        }
        finally
        {
            if (lease is not null) await LeaveAsync(registry!, lease).ConfigureAwait(false);
        }
    }

    /// <summary>A name is held: by one that died, whose lease runs out, or by one that lives, which shows when the lease is renewed.</summary>
    private async Task<long> StillHeldAsync(NodeRegistry registry, long? seen, CancellationToken cancellation)
    {
        var until = await registry.HeldUntilAsync(node.Name, cancellation).ConfigureAwait(false) ?? 0;
        if (seen is null) note($"the name '{node.Name}' is held; waiting whether its node lives");
        return seen is null || until <= seen ? until : throw new SnapshotException(
            ErrorCode.Locked, $"another node is registered as '{node.Name}' and lives", "give this one a name of its own with --name, or end the other") { IsPreflight = true };
    }

    private void Missed(SnapshotException error)
    {
        if (!_isAway) note($"the registry of nodes does not answer, this node goes on without: {error.Message}");
        _isAway = true;
    }

    private void Heard()
    {
        if (_isAway) note("the registry of nodes answers again");
        _isAway = false;
    }

    /// <summary>Not cancelled with the node, but not for long either: the lease runs out by itself.</summary>
    private async Task LeaveAsync(NodeRegistry registry, Lease lease)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                using var patience = new CancellationTokenSource(LeavingTime, time);
                await registry.LeaveAsync(lease, patience.Token).ConfigureAwait(false);
                return;
            }
            catch (Exception error) when (error is SnapshotException or OperationCanceledException)
            {
                if (attempt < LeavingAttempts) continue;
                note($"the registry of nodes was not told that '{node.Name}' ends: {error.Message}");
                return;
            }
        }
    }
}
