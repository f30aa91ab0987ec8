namespace Cutpoint.Durability;

/// <summary>Who appends.</summary>
/// <param name="Epoch">Its epoch: that of its lease, or a number that rises with every start of the one owner.</param>
/// <param name="Lease">The lease it must hold while it writes, or null where something else keeps it alone.</param>
public readonly record struct Writer(long Epoch, string? Lease = null)
{
    /// <summary>A writer that writes as long as it holds a lease.</summary>
    public static Writer Holding(Lease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        return new Writer(lease.Epoch, lease.Name);
    }

    /// <summary>Refuses a writer whose lease another has taken. The lease cannot change hands before the transaction has ended.</summary>
    /// <exception cref="FencedException">The lease has another epoch.</exception>
    internal async Task CheckAsync(Transaction transaction, CancellationToken cancellation)
    {
        if (Lease is null) return;
        var epoch = await transaction.NumberAsync(
            $"SELECT epoch FROM lease WHERE name = @name{transaction.Database.HoldRow}", cancellation, ("name", Lease)).ConfigureAwait(false);
        if (epoch != Epoch) throw new FencedException($"lease '{Lease}' is at epoch {epoch ?? 0}, this writer at {Epoch}");
    }
}
