using Cutpoint.Repository;

namespace Cutpoint.Durability;

/// <summary>
/// Leases with fencing epochs. The database's clock alone decides who has one: the clocks of nodes may be wrong by any amount. A lease keeps others away; what
/// makes a write safe is its epoch (<see cref="Writer.Holding"/>). Safe for concurrent use.
/// </summary>
/// <param name="database">The database; not owned.</param>
/// <param name="length">How long a lease lasts without renewal. Must exceed <see cref="LeaseTerm.Padding"/>.</param>
public sealed class Leases(Database database, TimeSpan length)
{
    private readonly LeaseTerm _term = new(length, database.Time);

    /// <summary>Takes a lease that nobody has.</summary>
    /// <param name="name">What is leased.</param>
    /// <param name="holder">Who takes it; unique to one start of one process.</param>
    /// <param name="cancellation">Ends the call; the lease may have been granted then, and runs out by itself.</param>
    /// <returns>The lease, or null when another has it.</returns>
    public async Task<Lease?> AcquireAsync(string name, string holder, CancellationToken cancellation)
    {
        var started = database.Time.GetTimestamp();
        var epoch = await database.TransactAsync(
            transaction => AcquireAsync(transaction, name, holder, cancellation), cancellation).ConfigureAwait(false);
        return epoch is { } granted ? new Lease(name, holder, granted, TrustedFrom(started)) : null;
    }

    /// <summary>Makes a lease last longer. One that has run out but that nobody has taken since is held on to.</summary>
    /// <returns>The lease with its new window of trust, or null when another has taken it.</returns>
    public async Task<Lease?> RenewAsync(Lease lease, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(lease);
        var started = database.Time.GetTimestamp();
        var renewed = await database.TransactAsync(
            transaction => RenewAsync(transaction, lease, cancellation), cancellation).ConfigureAwait(false);
        return renewed ? lease with { TrustedUntil = TrustedFrom(started) } : null;
    }

    /// <summary>Gives a lease back, so that the next holder need not wait. Its row stays: epochs never begin again.</summary>
    public Task ResignAsync(Lease lease, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return database.TransactAsync(
            transaction => ResignAsync(transaction, lease, cancellation), cancellation);
    }

    /// <summary>True while the holder may act on a lease without asking.</summary>
    public bool IsTrusted(Lease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return _term.IsBefore(lease.TrustedUntil);
    }

    /// <summary>Takes a lease as part of a transaction; its epoch, or null when another has it.</summary>
    internal Task<long?> AcquireAsync(Transaction transaction, string name, string holder, CancellationToken cancellation) => transaction.NumberAsync(
        """
        INSERT INTO lease (name, holder, epoch, expires_at) VALUES (@name, @holder, 1, database_now() + @length)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1, expires_at = excluded.expires_at
        WHERE lease.expires_at < database_now() RETURNING epoch
        """,
        cancellation, ("name", name), ("holder", holder), ("length", (long)length.TotalMilliseconds));

    /// <summary>Makes a lease last longer as part of a transaction; false when another has taken it.</summary>
    internal async Task<bool> RenewAsync(Transaction transaction, Lease lease, CancellationToken cancellation) => await transaction.ExecuteAsync(
        "UPDATE lease SET expires_at = database_now() + @length WHERE name = @name AND epoch = @epoch AND expires_at > 0", cancellation,
        ("length", (long)length.TotalMilliseconds), ("name", lease.Name), ("epoch", lease.Epoch)).ConfigureAwait(false) == 1;

    /// <summary>Gives a lease back as part of a transaction; false when another has taken it.</summary>
    internal static async Task<bool> ResignAsync(Transaction transaction, Lease lease, CancellationToken cancellation) => await transaction.ExecuteAsync(
        "UPDATE lease SET expires_at = 0 WHERE name = @name AND epoch = @epoch", cancellation, ("name", lease.Name), ("epoch", lease.Epoch)).ConfigureAwait(false) == 1;

    /// <summary>The window of trust of a grant that was asked for at a reading of the process's monotonic clock.</summary>
    internal long TrustedFrom(long started) => _term.TrustedFrom(started);
}
