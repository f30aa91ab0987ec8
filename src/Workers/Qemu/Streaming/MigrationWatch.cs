using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>Follows a migration by QEMU's events. Members may be read by any thread; they only ever go forward.</summary>
internal sealed class MigrationWatch : IAsyncDisposable
{
    private readonly QmpEventStream _events;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _following;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _stoppedAt;
    private long _resumedAt;
    private int _passes;
    private string _status = "none";

    /// <summary>Begins to follow; before the migration is begun.</summary>
    public MigrationWatch(QmpClient monitor)
    {
        _events = monitor.Subscribe("STOP", "RESUME", "MIGRATION", "MIGRATION_PASS");
        _following = FollowAsync();
    }

    /// <summary>How often QEMU has looked for dirty pages. Pass n of the capture is over when it has looked n + 2 times: once at the very start.</summary>
    public int Passes => Volatile.Read(ref _passes);

    /// <summary>QEMU's word for the state of the migration.</summary>
    public string Status => Volatile.Read(ref _status);

    /// <summary>When the guest stopped, or null. QEMU stops it by itself when it is through with its passes.</summary>
    public DateTimeOffset? StoppedAt => TimeOf(ref _stoppedAt);

    /// <summary>When the guest ran again after its last stop, or null: an attempt to cut that was void has ended with a run of its own.</summary>
    public DateTimeOffset? RanOnAt => TimeOf(ref _resumedAt) is { } at && StoppedAt is { } stop && at > stop ? at : null;

    /// <summary>True when the stream is complete.</summary>
    public bool IsCompleted => Status == "completed";

    /// <summary>True when there will be no complete stream.</summary>
    public bool HasFailed => Status is "failed" or "cancelled" or "cancelling" || _following.IsCompleted;

    /// <summary>Ends at the next change. Take it before the look at what may have changed.</summary>
    public Task Changed => Volatile.Read(ref _changed).Task;

    /// <summary>Waits until something has become true.</summary>
    public async Task WaitAsync(Func<bool> condition, CancellationToken cancellation)
    {
        while (true)
        {
            var changed = Changed;
            if (condition()) return;
            await changed.WaitAsync(cancellation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _events.Dispose();
        await _following;
        _ending.Dispose();
    }

    private static DateTimeOffset? TimeOf(ref long ticks) =>
        Volatile.Read(ref ticks) is > 0 and var known ? new DateTimeOffset(known, TimeSpan.Zero) : null;

    private async Task FollowAsync()
    {
        try
        {
            while (true)
            {
                var happened = await _events.ReadAsync(_ending.Token);
                switch (happened.Name)
                {
                    case "STOP":
                        Volatile.Write(ref _stoppedAt, happened.Timestamp.UtcTicks);
                        break;
                    case "RESUME":
                        Volatile.Write(ref _resumedAt, happened.Timestamp.UtcTicks);
                        break;
                    case "MIGRATION_PASS":
                        if (happened.Data.TryGetProperty("pass", out var pass)) Volatile.Write(ref _passes, pass.GetInt32());
                        break;
                    default:
                        Volatile.Write(ref _status, happened.Text("status") ?? "none");
                        break;
                }
                Tell();
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or QmpException or System.Threading.Channels.ChannelClosedException)
        {
            // The session knows why, and says so to whoever asks it.
            _ = ended;
        }
        finally
        {
            Tell();
        }
    }

    private void Tell() => Interlocked.Exchange(
        ref _changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
