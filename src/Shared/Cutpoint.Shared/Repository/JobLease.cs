using Npgsql;

namespace Cutpoint.Repository;

/// <summary>
/// A job this process has a lease of, and goes on renewing it.
/// </summary>
internal sealed class JobLease : JobRegistration
{
    /// <summary>Packs of one owner of a job; the next one's names begin behind them.</summary>
    private const int PacksPerEpoch = 100_000;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AttemptLimit = TimeSpan.FromSeconds(4);

    private readonly PostgresCatalog _catalog;
    private readonly long _epoch;
    private readonly TimeProvider _time;
    private readonly LeaseTerm _term;
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _renewing;
    private long _trustedUntil;
    private bool _isKept;

    public JobLease(PostgresCatalog catalog, Ulid id, long epoch, string directory, long started, TimeProvider time)
        : base(id, directory)
    {
        _catalog = catalog;
        _epoch = epoch;
        _time = time;
        _term = new LeaseTerm(LeasedJobs.Length, time);
        _trustedUntil = _term.TrustedFrom(started);
        LastPack = epoch - 1 <= PackId.MaxNumber / PacksPerEpoch ? (int)(epoch - 1) * PacksPerEpoch
            : throw new SnapshotException(ErrorCode.Failed, $"job {id} was resumed {epoch - 1} times", $"end it with 'cutpoint cancel {id}'");
        // Only a job that was kept is taken over.
        _isKept = IsContested;
        _renewing = RenewAsync();
    }

    public override CancellationToken Lost => _lost.Token;

    public override int LastPack { get; }

    public override bool IsContested => _epoch > 1;

    public override void CheckOwned()
    {
        if (!_term.IsBefore(Volatile.Read(ref _trustedUntil))) _lost.Cancel();
        if (_lost.IsCancellationRequested) throw Fenced();
    }

    public override void CheckFence()
    {
        CheckOwned();
        if (_catalog.Scalar("SELECT 1 FROM job WHERE id = @0 AND epoch = @1", Id.ToString(), _epoch) is null) throw Fenced();
    }

    public override void Keep()
    {
        if (_isKept) return;
        if (Change("UPDATE job SET resumable = TRUE WHERE id = @0 AND epoch = @1") == 0) throw Fenced();
        _isKept = true;
    }

    public override void Leave()
    {
        StopRenewing();
        TryChange("UPDATE job SET expires_at = 0 WHERE id = @0 AND epoch = @1");
    }

    public override void Dispose()
    {
        StopRenewing();
        if (TryChange("DELETE FROM job WHERE id = @0 AND epoch = @1")) FileJobs.Remove(Path.GetDirectoryName(Directory)!);
    }

    private int Change(string statement) => _catalog.Write(() => _catalog.Execute(statement, Id.ToString(), _epoch), isDurable: true);

    /// <summary>False when it is another's row, or the database cannot be told now: then the lease runs out, and a collection finds the job.</summary>
    private bool TryChange(string statement)
    {
        try
        {
            return Change(statement) > 0;
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    private void StopRenewing()
    {
        _ending.Cancel();
        _renewing.GetAwaiter().GetResult();
    }

    private async Task RenewAsync()
    {
        var pause = Interval;
        while (true)
        {
            await Task.Delay(pause, _time, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_ending.IsCancellationRequested) return;
            var started = _time.GetTimestamp();
            switch (await TryRenewAsync().ConfigureAwait(false))
            {
                case true:
                    Volatile.Write(ref _trustedUntil, _term.TrustedFrom(started));
                    pause = Interval;
                    break;
                case false:
                    await _lost.CancelAsync().ConfigureAwait(false);
                    return;
                default:
                    pause = RetryInterval;
                    // Readers go on all the same: what they read is checked.
                    if (!_term.IsBefore(_trustedUntil)) await _lost.CancelAsync().ConfigureAwait(false);
                    break;
            }
        }
    }

    /// <summary>Null when the server does not answer.</summary>
    private async Task<bool?> TryRenewAsync()
    {
        using var timeout = new CancellationTokenSource(AttemptLimit, _time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token, timeout.Token);
        try
        {
            var command = _catalog.Source.CreateCommand($"UPDATE job SET expires_at = {PostgresCatalog.Now} + $3 WHERE id = $1 AND epoch = $2");
            await using (command.ConfigureAwait(false))
            {
                command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Id.ToString() });
                command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = _epoch });
                command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = (long)LeasedJobs.Length.TotalMilliseconds });
                return await command.ExecuteNonQueryAsync(limit.Token).ConfigureAwait(false) == 1;
            }
        }
        catch (Exception error) when (error is NpgsqlException or OperationCanceledException)
        {
            return null;
        }
    }

    private SnapshotException Fenced() => new(
        ErrorCode.Locked, $"job {Id} is no longer this process's: its lease ran out, or another has taken it over", $"follow it with 'cutpoint watch {Id}', or go on with 'cutpoint resume {Id}'");
}
