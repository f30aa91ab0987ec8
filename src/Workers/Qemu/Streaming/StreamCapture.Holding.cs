using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// How a guest read by passes waits for the others of its group. QEMU stops a guest by itself when what is left seems small, and nothing tells it not to. So
/// its stream is read up to a short piece before the end of a pass and then not at all: QEMU waits in a write, and the guest runs.
/// </summary>
internal sealed partial class StreamCapture
{
    /// <summary>
    /// Octets of memory left unread in a pass. More than the 200 KiB a socket holds, though some of these pages are zero, and read in a few milliseconds.
    /// </summary>
    private const long Unread = 8L << 20;

    private CancellationTokenSource? _holdEnd;
    private Task _holding = Task.CompletedTask;
    private bool _convergesByItself;

    /// <summary>True when the guest's passes are held.</summary>
    private bool IsHeld => _options.IsInGroup && Strategy is CaptureStrategy.Precopy;

    /// <summary>QEMU counts what the guest has written at the end of a pass. One that stopped it by itself has said that it is little.</summary>
    private bool IsRestKnown => !IsHeld || _passes > 1 || _convergesByItself;

    /// <summary>Octets the stop would find unsent, by QEMU's count, or all of them while nothing was sent.</summary>
    private long Rest => _isBegun ? _migration!.Remaining : StreamStrategy.MemoryOf(_inspection, _session.Qemu?.Id);

    /// <summary>
    /// A pass up to its unread rest. When QEMU stops the guest at the end of the pass before, the guest goes on at once and the pass is made by another
    /// stream; what that brings again is not stored again. A guest that cannot be held so either, since it is small, is read at the stop.
    /// </summary>
    private async Task HoldAsync(uint pass, CancellationToken cancellation)
    {
        await EndHoldAsync();
        if (_isBegun)
        {
            await StreamAsync(pass, () => _watch!.Passes > _passes, cancellation);
            if (_watch!.StoppedAt is null && _migration!.Remaining > Unread)
                await UpToRestAsync(_migration.Remaining);
        }
        if (_watch!.StoppedAt is not null) await GiveUpStreamAsync(cancellation);
        if (!_isBegun) await UpToRestAsync(Description.Blocks.Sum(block => block.Length));
        if (_watch.StoppedAt is not null) await GiveUpStreamAsync(cancellation);
        else StartHold();

        Task UpToRestAsync(long octets)
        {
            var (enough, passes) = (_pages!.PageCount + ((octets - Unread) / Paging.PageSize), Math.Max(1, _watch!.Passes));
            return StreamAsync(pass, () => _pages.PageCount >= enough || _watch.Passes > passes, cancellation);
        }
    }

    /// <summary>Nobody calls while the others are waited for, and QEMU may still stop the guest: when a socket has room for all that is left.</summary>
    private void StartHold()
    {
        _holdEnd = CancellationTokenSource.CreateLinkedTokenSource(Lost);
        _holding = WatchAsync(_watch!, _holdEnd.Token);

        async Task WatchAsync(MigrationWatch watch, CancellationToken ending)
        {
            try
            {
                await watch.WaitAsync(() => watch.StoppedAt is not null || watch.HasFailed, ending);
                if (watch.StoppedAt is not null) await GiveUpStreamAsync(CancellationToken.None);
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                // The next call goes on from here.
            }
        }
    }

    /// <summary>The next step is due.</summary>
    private async Task EndHoldAsync()
    {
        if (_holdEnd is not { } end) return;
        _holdEnd = null;
        await end.CancelAsync();
        try
        {
            await _holding;
        }
        finally
        {
            end.Dispose();
        }
    }

    private async Task GiveUpStreamAsync(CancellationToken cancellation)
    {
        _convergesByItself = true;
        // Not before QEMU waits to be told to go on: a cancellation between its stop and that wait is never noticed (7.2), and the guest stands still for ever.
        await _watch!.WaitAsync(() => _watch.Status == "pre-switchover" || _watch.HasFailed || _watch.IsCompleted, cancellation);
        await RenewStreamAsync(cancellation);
    }

    /// <summary>Whether the guest can be stopped now: what was not sent before is sent while it stands still.</summary>
    private void CheckHeld()
    {
        if (!_isBegun && TimeSpan.FromSeconds(Rest / StreamStrategy.StreamRate) > _options.DowntimeGoal) throw TooEarly();
    }

    private SnapshotException TooEarly() => new(
        ErrorCode.Failed,
        $"guest {Description.Name}: QEMU was through with its passes and stopped the guest before the others of the group were ready",
        "take the group with --strategy background or stop")
    {
        IsTransient = true,
    };
}
