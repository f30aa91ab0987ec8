using Npgsql;

namespace Cutpoint.Repository;

// Locks that last as long as the connection. They keep people's commands apart; what must never go wrong is kept right by epoch and generation.
internal sealed partial class PostgresCatalog
{
    private const long UseLock = 4832119274101;
    private const long CollectionLock = 4832119274102;
    private const long KeyLock = 4832119274104;

    private bool _isShared;

    /// <summary>Says that the repository is in use, until this is closed. Many may at once.</summary>
    /// <exception cref="SnapshotException">It is being repaired (<see cref="ErrorCode.Locked"/>).</exception>
    public void Share() => Run(() =>
    {
        _isShared = true;
        TakeSharedAgain();
        return true;
    });

    /// <summary>Takes the lock of a collection of garbage.</summary>
    /// <exception cref="SnapshotException">Another runs (<see cref="ErrorCode.Locked"/>).</exception>
    public void TakeCollection() => Run(() => Take(CollectionLock, "garbage is being collected"));

    /// <summary>Gives it back.</summary>
    public void ReleaseCollection() => Run(() => Execute("SELECT pg_advisory_unlock(@0)", CollectionLock));

    /// <summary>Takes the lock of a change of keys, until this is closed.</summary>
    /// <exception cref="SnapshotException">Another goes on (<see cref="ErrorCode.Locked"/>).</exception>
    public void TakeKeys() => Run(() => Take(KeyLock, "keys are being changed"));

    /// <summary>Who collects garbage; null when nobody does.</summary>
    public string? Collector() => Run(() => HolderOf(CollectionLock));

    /// <summary>The server drops locks a little after the connection ends; who comes next must not wait for that.</summary>
    private void Unlock()
    {
        if (_connection is not { State: System.Data.ConnectionState.Open }) return;
        try
        {
            Execute("SELECT pg_advisory_unlock_all()");
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            // The server drops them by itself.
        }
    }

    private void TakeSharedAgain()
    {
        if (_isShared && !(bool)Scalar("SELECT pg_try_advisory_lock_shared(@0)", UseLock)!) throw Held(UseLock, "the repository is being repaired");
    }

    private bool Take(long key, string whenHeld) => (bool)Scalar("SELECT pg_try_advisory_lock(@0)", key)! ? true : throw Held(key, whenHeld);

    private SnapshotException Held(long key, string whenHeld) =>
        new(ErrorCode.Locked, $"{whenHeld}: {HolderOf(key) ?? "by another process"}", "wait until it has ended, then try again") { IsTransient = true, IsPreflight = true };

    private string? HolderOf(long key) => (string?)Scalar(
        """
        SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = @0 >> 32 AND l.objid::bigint = @0 & 4294967295
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid <> pg_backend_pid() LIMIT 1
        """,
        key);
}
