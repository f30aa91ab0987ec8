namespace Cutpoint.Workers.Capture;

/// <summary>Tells somebody how it goes, ten times a second, until it is disposed.</summary>
internal sealed class ProgressWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly PeriodicTimer _timer;
    private readonly Task _watching;

    public ProgressWatch(Action tell, TimeProvider time)
    {
        _timer = new PeriodicTimer(Interval, time);
        _watching = WatchAsync(tell);
    }

    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _watching;
    }

    private async Task WatchAsync(Action tell)
    {
        while (await _timer.WaitForNextTickAsync()) tell();
    }
}
