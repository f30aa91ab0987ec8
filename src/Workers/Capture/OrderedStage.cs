using System.Threading.Channels;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// A stage that works on several items at once and hands the results on in the order the items came. A slot is taken in that order before an item is
/// begun and given back when its result was taken, so results that wait for a slow consumer are bounded, and an early item never waits for a late one.
/// <code>
/// Add ─▶ waiting ─▶ slot ─▶ work (in parallel) ─▶ in order ─▶ consume (one at a time) ─▶ slot back
/// </code>
/// The first fault ends the stage: items that wait are disposed, and so are results nobody takes. <see cref="Completion"/> tells the fault.
/// </summary>
/// <typeparam name="TItem">What comes in; owned by the stage from then on.</typeparam>
/// <typeparam name="TResult">What is handed on; owned by the consumer.</typeparam>
internal sealed class OrderedStage<TItem, TResult> : IAsyncDisposable
    where TItem : IDisposable
    where TResult : IDisposable
{
    private readonly Channel<TItem> _waiting;
    private readonly Channel<Task<TResult>> _working;
    private readonly Func<TItem, TResult> _work;
    private readonly Func<TResult, CancellationToken, ValueTask> _consume;
    private readonly SemaphoreSlim _slots;
    private readonly CancellationTokenSource _ending;
    private readonly Lock _gate = new();
    private TaskCompletionSource _open = Opened();
    private TaskCompletionSource? _idle;
    private TaskCompletionSource? _quiet;
    private int _atWork;
    private long _pending;
    private Exception? _fault;

    /// <summary>Starts the stage.</summary>
    /// <param name="capacity">Items that may wait; the caller never has more of them.</param>
    /// <param name="slots">Items worked on or waiting for the consumer.</param>
    /// <param name="work">Takes an item over and makes its result; called side by side.</param>
    /// <param name="consume">Takes a result over; called in order, one at a time.</param>
    /// <param name="cancellation">Ends the stage.</param>
    public OrderedStage(
        int capacity, int slots, Func<TItem, TResult> work, Func<TResult, CancellationToken, ValueTask> consume, CancellationToken cancellation)
    {
        _waiting = Channel.CreateBounded<TItem>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _working = Channel.CreateBounded<Task<TResult>>(new BoundedChannelOptions(slots) { SingleReader = true, SingleWriter = true });
        _slots = new SemaphoreSlim(slots);
        _work = work;
        _consume = consume;
        _ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Completion = RunAsync();
    }

    /// <summary>Ends when everything was consumed after <see cref="Complete"/>, or with the fault of the stage.</summary>
    public Task Completion { get; }

    /// <summary>Cancelled as soon as the stage has failed or ended.</summary>
    public CancellationToken Ending => _ending.Token;

    /// <summary>The fault of the stage, or null.</summary>
    public Exception? Fault => Volatile.Read(ref _fault);

    /// <summary>Takes an item over; it keeps its place behind those added before.</summary>
    public async ValueTask AddAsync(TItem item, CancellationToken cancellation)
    {
        lock (_gate) _pending++;
        try
        {
            if (!_waiting.Writer.TryWrite(item)) await _waiting.Writer.WriteAsync(item, cancellation).ConfigureAwait(false);
        }
        catch
        {
            item.Dispose();
            Done();
            throw;
        }
    }

    /// <summary>
    /// Holds back items that are not begun yet, and waits until those under way are done. For moments when the processors are needed elsewhere.
    /// </summary>
    public async Task CloseAsync(CancellationToken cancellation)
    {
        Task quiet;
        lock (_gate)
        {
            if (_open.Task.IsCompleted) _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_atWork == 0) return;
            _quiet ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            quiet = _quiet.Task;
        }
        await quiet.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Ends the holding back.</summary>
    public void Open()
    {
        lock (_gate) _open.TrySetResult();
    }

    /// <summary>Waits until everything added so far was consumed.</summary>
    public Task WhenIdleAsync(CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_fault is not null) return Completion;
            if (_pending == 0) return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return Task.WhenAny(_idle.Task, Completion).Unwrap().WaitAsync(cancellation);
        }
    }

    /// <summary>Nothing more is added.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>Abandons what is left and waits until nothing of the stage runs any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _slots.Dispose();
        _ending.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        var begin = BeginAsync();
        var end = EndAsync();
        // Both record their fault: the first one is the cause, the other follows from the cancellation it brought.
        await Task.WhenAll(begin, end).ConfigureAwait(false);
        await _ending.CancelAsync().ConfigureAwait(false);
        _waiting.Writer.TryComplete();
        while (_waiting.Reader.TryRead(out var item)) item.Dispose();
        while (_working.Reader.TryRead(out var late)) await DisposeAsync(late).ConfigureAwait(false);
        if (Fault is { } fault) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(fault);
    }

    private async Task BeginAsync()
    {
        try
        {
            await foreach (var item in _waiting.Reader.ReadAllAsync(_ending.Token).ConfigureAwait(false))
            {
                try
                {
                    await _slots.WaitAsync(_ending.Token).ConfigureAwait(false);
                    while (!TryBegin()) await Volatile.Read(ref _open).Task.WaitAsync(_ending.Token).ConfigureAwait(false);
                }
                catch
                {
                    item.Dispose();
                    throw;
                }
                // There is a slot, so there is room.
                _working.Writer.TryWrite(Task.Run(() => Work(item)));
            }
        }
        catch (Exception e)
        {
            await FailAsync(e).ConfigureAwait(false);
        }
        finally
        {
            _working.Writer.TryComplete();
        }
    }

    private async Task EndAsync()
    {
        try
        {
            await foreach (var work in _working.Reader.ReadAllAsync(_ending.Token).ConfigureAwait(false))
            {
                await _consume(await work.ConfigureAwait(false), _ending.Token).ConfigureAwait(false);
                _slots.Release();
                Done();
            }
        }
        catch (Exception e)
        {
            await FailAsync(e).ConfigureAwait(false);
        }
    }

    private bool TryBegin()
    {
        lock (_gate)
        {
            if (!_open.Task.IsCompleted) return false;
            _atWork++;
            return true;
        }
    }

    private TResult Work(TItem item)
    {
        try
        {
            return _work(item);
        }
        finally
        {
            lock (_gate)
            {
                if (--_atWork == 0)
                {
                    _quiet?.TrySetResult();
                    _quiet = null;
                }
            }
        }
    }

    private void Done()
    {
        lock (_gate)
        {
            if (--_pending != 0 || _idle is null) return;
            _idle.TrySetResult();
            _idle = null;
        }
    }

    private async Task FailAsync(Exception fault)
    {
        if (Interlocked.CompareExchange(ref _fault, fault, null) is null) await _ending.CancelAsync().ConfigureAwait(false);
    }

    private static async Task DisposeAsync(Task<TResult> work)
    {
        await ((Task)work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (work.IsCompletedSuccessfully) work.Result.Dispose();
    }

    private static TaskCompletionSource Opened()
    {
        var open = new TaskCompletionSource();
        open.SetResult();
        return open;
    }
}
