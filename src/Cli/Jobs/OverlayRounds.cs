using Cutpoint.Cli.Commands;
using Cutpoint.Coordinator.Cluster;
using Cutpoint.Durability;
using Cutpoint.Nodes;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Cli.Jobs;

/// <summary>
/// Goes round the registered workers when checkpoints of the repository were forgotten: they merge the overlays of disks no checkpoint needs any more, and need not wait for
/// the next job to hear of it. One coordinator does it for all; a worker that is away then is visited when it is back.
/// </summary>
/// <param name="repository">The repository; not owned.</param>
/// <param name="database">Where the journals of its jobs are; not owned.</param>
/// <param name="registry">The nodes.</param>
/// <param name="secret">The secret of the cluster.</param>
/// <param name="note">Told, in a line for people, what could not be done.</param>
/// <param name="time">The clock.</param>
internal sealed class OverlayRounds(DirectoryRepository repository, Database database, NodeRegistry registry, NodeSecret secret, Action<string> note, TimeProvider time)
{
    private const string Mailbox = "overlays";
    private const string Forgotten = "checkpoints-forgotten";

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Mailboxes _mailboxes = new(database);
    private readonly HashSet<string> _owed = new(StringComparer.Ordinal);
    private string? _told;

    /// <summary>Has a coordinator go round, if one is there. Else the workers hear of it with their next job.</summary>
    public static async Task AskAsync(Database database, CancellationToken cancellation)
    {
        var nodes = await new NodeRegistry(database).ListAsync(cancellation);
        if (!nodes.Exists(node => node.IsAlive && node.Has(NodeCommand.CoordinatorRole))) return;
        await new Mailboxes(database).SendAsync(new MailMessage(Mailbox, $"{Forgotten}-{Guid.NewGuid():n}", Forgotten, "{}"), cancellation);
    }

    /// <summary>Goes round when asked, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                // A hint that comes meanwhile counts.
                var hint = database.WaitAsync(Interval, cancellation);
                await GoRoundAsync(cancellation);
                await hint;
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
        }
    }

    private async Task GoRoundAsync(CancellationToken cancellation)
    {
        try
        {
            var isAsked = false;
            while (await _mailboxes.HandleNextAsync([Mailbox], static _ => Task.CompletedTask, cancellation) is not null) isAsked = true;
            if (!isAsked && _owed.Count == 0) return;
            var workers = (await registry.ListAsync(cancellation)).Where(node => node.Address.Length > 0).ToList();
            if (isAsked) _owed.UnionWith(workers.Select(worker => worker.Name));
            _owed.IntersectWith(workers.Select(worker => worker.Name));
            foreach (var worker in workers.Where(worker => worker.IsAlive && _owed.Contains(worker.Name))) await VisitAsync(worker, cancellation);
        }
        catch (SnapshotException error)
        {
            Tell($"no worker is told of forgotten checkpoints for now: {error.Message}");
        }
    }

    private async Task VisitAsync(RegisteredNode worker, CancellationToken cancellation)
    {
        try
        {
            await WorkerVisit.RunAsync(
                NodeAddress.Parse(worker.Address), secret, OverlayUpkeep.NameOf(repository),
                (ids, token) => OverlayNotes.MissingAsync(repository, database, ids, null, token), time, cancellation);
            _owed.Remove(worker.Name);
        }
        catch (SnapshotException error)
        {
            Tell($"worker '{worker.Name}' was not told which checkpoints were forgotten: {error.Message}");
        }
    }

    /// <summary>What lasts is said once.</summary>
    private void Tell(string what)
    {
        if (what == _told) return;
        _told = what;
        note(what);
    }
}
