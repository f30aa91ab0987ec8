namespace Cutpoint.Durability;

/// <summary>
/// The nodes of a cluster: who there is, where, and whether it lives. A node keeps its entry by a lease of its name; the database's clock alone decides about
/// life. The registry is a book of addresses and nothing more: what a node may do to guests and jobs is decided by the lines to it and by the epochs of jobs.
/// Safe for concurrent use.
/// </summary>
/// <param name="database">The database; not owned.</param>
public sealed class NodeRegistry(Database database)
{
    /// <summary>Between two signs of life.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);

    /// <summary>How long a node that is not heard of counts as alive: three beats, and one more to be late.</summary>
    public static readonly TimeSpan LeaseLength = 4 * Interval;

    /// <summary>A node that was lost for this long is not listed any more.</summary>
    public static readonly TimeSpan LostMemory = TimeSpan.FromDays(30);

    /// <summary>How long it can be asked for what became of nodes.</summary>
    public static readonly TimeSpan RecordMemory = TimeSpan.FromDays(90);

    private const string Prefix = "node/";

    private readonly Leases _leases = new(database, LeaseLength);

    /// <summary>Registers a node under its name, unless one that lives has it.</summary>
    /// <param name="node">The node.</param>
    /// <param name="holder">Unique to this start of this process.</param>
    /// <param name="cancellation">Ends the call; the node may be registered then, until its lease runs out.</param>
    /// <returns>Its lease, or null when another has the name.</returns>
    public async Task<Lease?> JoinAsync(NodeDescription node, string holder, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(node);
        var started = database.Time.GetTimestamp();
        var granted = await database.TransactAsync(
            async transaction =>
            {
                if (await _leases.AcquireAsync(transaction, Prefix + node.Name, holder, cancellation).ConfigureAwait(false) is not { } epoch) return (long?)null;
                // Who has left has taken its row along; whoever is found here was lost, and perhaps nobody has noticed.
                var before = await transaction.NumberAsync(
                    "SELECT epoch FROM node WHERE name = @name AND lost_at IS NULL", cancellation, ("name", node.Name)).ConfigureAwait(false);
                if (before is { } predecessor) await RecordAsync(transaction, node.Name, predecessor, NodeTransition.Lost, cancellation).ConfigureAwait(false);
                await transaction.ExecuteAsync(
                    """
                    INSERT INTO node (name, epoch, roles, address, program, joined_at, lost_at) VALUES (@name, @epoch, @roles, @address, @program, database_now(), NULL)
                    ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, roles = excluded.roles, address = excluded.address, program = excluded.program,
                    joined_at = excluded.joined_at, lost_at = NULL
                    """,
                    cancellation, ("name", node.Name), ("epoch", epoch), ("roles", node.Roles), ("address", node.Address), ("program", node.Program)).ConfigureAwait(false);
                await RecordAsync(transaction, node.Name, epoch, NodeTransition.Joined, cancellation).ConfigureAwait(false);
                await transaction.ExecuteAsync(
                    "DELETE FROM node WHERE lost_at < (SELECT database_now()) - @memory", cancellation, ("memory", (long)LostMemory.TotalMilliseconds)).ConfigureAwait(false);
                await transaction.ExecuteAsync(
                    "DELETE FROM node_record WHERE happened_at < (SELECT database_now()) - @memory", cancellation, ("memory", (long)RecordMemory.TotalMilliseconds))
                    .ConfigureAwait(false);
                return epoch;
            },
            cancellation).ConfigureAwait(false);
        return granted is { } mine ? new Lease(Prefix + node.Name, holder, mine, _leases.TrustedFrom(started)) : null;
    }

    /// <summary>A sign of life of a registered node.</summary>
    /// <returns>False when another has taken the name: what was registered is no more.</returns>
    public Task<bool> KeepAsync(Lease lease, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return database.TransactAsync(
            async transaction =>
            {
                if (!await _leases.RenewAsync(transaction, lease, cancellation).ConfigureAwait(false)) return false;
                var name = lease.Name[Prefix.Length..];
                var wasLost = await transaction.ExecuteAsync(
                    "UPDATE node SET lost_at = NULL WHERE name = @name AND epoch = @epoch AND lost_at IS NOT NULL", cancellation, ("name", name), ("epoch", lease.Epoch))
                    .ConfigureAwait(false) == 1;
                if (wasLost) await RecordAsync(transaction, name, lease.Epoch, NodeTransition.Returned, cancellation).ConfigureAwait(false);
                return true;
            },
            cancellation);
    }

    /// <summary>Takes a node off the registry, in order. One whose name another has taken changes nothing.</summary>
    public Task LeaveAsync(Lease lease, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return database.TransactAsync(
            async transaction =>
            {
                if (!await Leases.ResignAsync(transaction, lease, cancellation).ConfigureAwait(false)) return false;
                var name = lease.Name[Prefix.Length..];
                await transaction.ExecuteAsync("DELETE FROM node WHERE name = @name AND epoch = @epoch", cancellation, ("name", name), ("epoch", lease.Epoch))
                    .ConfigureAwait(false);
                await RecordAsync(transaction, name, lease.Epoch, NodeTransition.Left, cancellation).ConfigureAwait(false);
                return true;
            },
            cancellation);
    }

    /// <summary>Writes down which nodes have been lost since somebody looked. Every node that lives does so now and then.</summary>
    /// <returns>Their names.</returns>
    public Task<List<string>> RecordLossesAsync(CancellationToken cancellation) => database.TransactAsync(
        async transaction =>
        {
            // Of two that look at once the second waits for the first at the row, and then finds it changed.
            var lost = await transaction.QueryAsync(
                """
                UPDATE node SET lost_at = (SELECT expires_at FROM lease WHERE lease.name = 'node/' || node.name)
                WHERE lost_at IS NULL AND EXISTS (
                    SELECT 1 FROM lease WHERE lease.name = 'node/' || node.name AND lease.epoch = node.epoch AND lease.expires_at < (SELECT database_now()))
                RETURNING name, epoch
                """,
                static row => (Name: row.GetString(0), Epoch: row.GetInt64(1)), cancellation).ConfigureAwait(false);
            foreach (var (name, epoch) in lost) await RecordAsync(transaction, name, epoch, NodeTransition.Lost, cancellation).ConfigureAwait(false);
            return lost.ConvertAll(node => node.Name);
        },
        cancellation);

    /// <summary>Every node that is registered, alive or lost, by name.</summary>
    public Task<List<RegisteredNode>> ListAsync(CancellationToken cancellation) => database.TransactAsync(
        transaction => transaction.QueryAsync(
            """
            SELECT n.name, n.roles, n.address, n.program, n.epoch, n.joined_at, l.expires_at, (SELECT database_now())
            FROM node n JOIN lease l ON l.name = 'node/' || n.name ORDER BY n.name
            """,
            static row => new RegisteredNode(
                row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(5)),
                row.GetInt64(6) < row.GetInt64(7) ? DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)) : null),
            cancellation),
        cancellation);

    /// <summary>Until when a name is held, in milliseconds of the database's clock; null when nobody ever had it.</summary>
    public Task<long?> HeldUntilAsync(string name, CancellationToken cancellation) => database.TransactAsync(
        transaction => transaction.NumberAsync("SELECT expires_at FROM lease WHERE name = @name", cancellation, ("name", Prefix + name)), cancellation);

    /// <summary>What became of nodes, oldest first.</summary>
    /// <param name="limit">How many at most; the newest are given.</param>
    /// <param name="cancellation">Ends the call.</param>
    public async Task<List<NodeRecord>> ListRecordsAsync(int limit, CancellationToken cancellation)
    {
        var records = await database.TransactAsync(
            transaction => transaction.QueryAsync(
                "SELECT name, epoch, happened_at, transition FROM node_record ORDER BY ordering DESC LIMIT @limit",
                static row => new NodeRecord(
                    row.GetString(0), row.GetInt64(1), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)), Enum.Parse<NodeTransition>(row.GetString(3))),
                cancellation, ("limit", (long)limit)),
            cancellation).ConfigureAwait(false);
        records.Reverse();
        return records;
    }

    private static Task<int> RecordAsync(Transaction transaction, string name, long epoch, NodeTransition transition, CancellationToken cancellation) =>
        transaction.ExecuteAsync(
            "INSERT INTO node_record (name, epoch, happened_at, transition) VALUES (@name, @epoch, database_now(), @transition)", cancellation,
            ("name", name), ("epoch", epoch), ("transition", transition.ToString()));
}
