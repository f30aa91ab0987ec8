using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// How fast QEMU sends pages and they are taken in while nobody keeps the stream waiting: that is how fast the rest comes in the stop, when it has a buffer of its
/// own. Not safe for concurrent use.
/// </summary>
internal sealed class StreamMeter(TimeProvider time)
{
    /// <summary>Octets per second at which QEMU finds that pages are zero: they cost no more, and say nothing about the others.</summary>
    private const double ZeroRate = 2e9;

    /// <summary>Pages without which the rate is not known: 4 MiB.</summary>
    private const long Enough = 1024;

    /// <summary>A stream that was slower than that was not asked for, or the host hung.</summary>
    private const double Slowest = 5e7;

    private TimeSpan _moving;
    private TimeSpan _waiting;
    private long _pages;
    private long _zeroPages;

    /// <summary>Octets of pages per second, or null while too few have come.</summary>
    public double? Rate
    {
        get
        {
            if (_pages < Enough) return null;
            var seconds = (_moving - _waiting).TotalSeconds - (_zeroPages * Paging.PageSize / ZeroRate);
            return Math.Clamp(_pages * Paging.PageSize / Math.Max(seconds, 1e-6), Slowest, StreamStrategy.StreamRate);
        }
    }

    /// <summary>A page has come.</summary>
    public void Page() => _pages++;

    /// <summary>A zero page has come.</summary>
    public void ZeroPage() => _zeroPages++;

    /// <summary>The stream moves until the task is done.</summary>
    public async Task MoveAsync(Task moving)
    {
        var since = time.GetTimestamp();
        await moving;
        _moving += time.GetElapsedTime(since);
    }

    /// <summary>The stream waits for room until the task is done.</summary>
    public async ValueTask<T> WaitAsync<T>(ValueTask<T> room)
    {
        if (room.IsCompletedSuccessfully) return room.Result;
        var since = time.GetTimestamp();
        var result = await room;
        _waiting += time.GetElapsedTime(since);
        return result;
    }
}
