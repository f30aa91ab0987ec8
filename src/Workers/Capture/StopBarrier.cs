namespace Cutpoint.Workers.Capture;

/// <summary>
/// The guests of one job that are about to be stopped on this worker. A final pass takes every processor it can get, so none begins before the last of
/// them stands still: the stops come together. Safe for concurrent use.
/// </summary>
internal sealed class StopBarrier
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _clear = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _due;

    /// <summary>Ends when nobody is about to be stopped any more.</summary>
    public Task Clear
    {
        get
        {
            lock (_gate) return _due == 0 ? Task.CompletedTask : _clear.Task;
        }
    }

    /// <summary>A guest is about to be stopped.</summary>
    public void Enter()
    {
        lock (_gate) _due++;
    }

    /// <summary>A guest that was about to be stopped stands still, or will not be stopped.</summary>
    public void Leave()
    {
        TaskCompletionSource clear;
        lock (_gate)
        {
            if (--_due > 0) return;
            (clear, _clear) = (_clear, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        clear.SetResult();
    }
}
