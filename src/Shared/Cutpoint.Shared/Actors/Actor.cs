namespace Cutpoint.Actors;

/// <summary>
/// One message at a time, from a mailbox bounded by count and octets, with a control lane that overtakes data. When its handler throws it is
/// restarted with fresh state, or it stops and its parent is told. Messages are immutable and belong to the actor once posted.
/// Every member is safe for concurrent use.
/// </summary>
public sealed class Actor<TMessage> : IAsyncDisposable
    where TMessage : notnull
{
    private readonly ActorOptions _options;
    private readonly Func<IMessageHandler<TMessage>> _fresh;
    private readonly Func<TMessage, long> _cost;
    private readonly Mailbox<TMessage> _mailbox;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Queue<long> _restarts = new();

    /// <summary>Starts an actor.</summary>
    /// <param name="options">Bounds and supervision.</param>
    /// <param name="fresh">Makes a handler with fresh state, for the start and for every restart.</param>
    /// <param name="cost">Octets a message holds while it waits; 0 for all when null.</param>
    public Actor(ActorOptions options, Func<IMessageHandler<TMessage>> fresh, Func<TMessage, long>? cost = null)
    {
        _options = options;
        _fresh = fresh;
        _cost = cost ?? (static _ => 0);
        _mailbox = new Mailbox<TMessage>(options.Name, options.MaxMessages, options.MaxOctets, options.MaxControlMessages);
        Completion = Task.Run(RunAsync);
    }

    /// <summary>Names the actor in errors.</summary>
    public string Name => _options.Name;

    /// <summary>Ends when the actor has stopped; fails with the fault it could not deal with.</summary>
    public Task Completion { get; }

    /// <summary>Octets of the data messages that wait now.</summary>
    public long QueuedOctets => _mailbox.Octets;

    /// <summary>Posts a data message; waits while the mailbox is full.</summary>
    /// <exception cref="ActorStoppedException">The actor stopped before it took the message in.</exception>
    public ValueTask PostAsync(TMessage message, CancellationToken cancellation = default) =>
        _mailbox.PostAsync(new Letter<TMessage>(message, _cost(message), null), control: false, cancellation);

    /// <summary>Posts a control message; it is handled before every data message that waits.</summary>
    /// <exception cref="ActorStoppedException">The actor stopped before it took the message in.</exception>
    public ValueTask PostControlAsync(TMessage message, CancellationToken cancellation = default) =>
        _mailbox.PostAsync(new Letter<TMessage>(message, 0, null), control: true, cancellation);

    /// <summary>
    /// Posts a data message that asks for an answer. The deadline covers the wait for room too. A question whose asker left may still be handled.
    /// </summary>
    /// <param name="question">Makes the message around the place for its answer; its <c>ToString</c> names it in errors.</param>
    /// <param name="deadline">How long to wait, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Leaves early.</param>
    /// <exception cref="SnapshotException">No answer in time (transient), or the handler's own error.</exception>
    public async Task<TReply> AskAsync<TReply>(
        Func<Reply<TReply>, TMessage> question, TimeSpan deadline, CancellationToken cancellation = default)
    {
        var reply = new Reply<TReply>();
        var message = question(reply);
        using var late = new CancellationTokenSource(deadline, _options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellation);
        try
        {
            await _mailbox.PostAsync(new Letter<TMessage>(message, _cost(message), reply), control: false, either.Token).ConfigureAwait(false);
            return await reply.Answer.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (e.CancellationToken == either.Token)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new SnapshotException(ErrorCode.Failed, $"actor {Name}: no answer to '{message}' within {deadline.TotalSeconds:0.###} s")
            {
                IsTransient = true,
            };
        }
    }

    /// <summary>Stops the actor and waits for its end.</summary>
    /// <exception cref="Exception">The fault that stopped the actor before.</exception>
    public Task StopAsync(StopMode mode, CancellationToken cancellation = default)
    {
        _mailbox.Close(abandon: mode == StopMode.Abandon);
        if (mode == StopMode.Abandon) _stopping.Cancel();
        return Completion.WaitAsync(cancellation);
    }

    /// <summary>Abandons what waits and waits for the end. A fault was escalated when it happened and is not thrown again.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(StopMode.Abandon).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        IMessageHandler<TMessage>? handler = null;
        try
        {
            handler = _fresh();
            while (await _mailbox.TakeAsync().ConfigureAwait(false) is { } letter)
            {
                try
                {
                    await handler.HandleAsync(letter.Message, _stopping.Token).ConfigureAwait(false);
                }
                catch (Exception fault)
                {
                    letter.Question?.Fail(fault);
                    if (fault is OperationCanceledException && _stopping.IsCancellationRequested) continue;
                    if (!MayRestart(fault)) throw;
                    await EndAsync(handler).ConfigureAwait(false);
                    handler = null;
                    handler = _fresh();
                }
            }
        }
        catch (Exception fault)
        {
            _mailbox.Close(abandon: true, fault);
            if (_options.Escalate is { } escalate)
                await escalate(new ActorFault(Name, fault, _restarts.Count)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            await EndAsync(handler).ConfigureAwait(false);
        }
    }

    private bool MayRestart(Exception fault)
    {
        if (_options.Supervise(fault) != Supervision.Restart) return false;
        var now = _options.Time.GetTimestamp();
        while (_restarts.TryPeek(out var oldest) && _options.Time.GetElapsedTime(oldest, now) > _options.RestartWindow) _restarts.Dequeue();
        if (_restarts.Count >= _options.MaxRestarts) return false;
        _restarts.Enqueue(now);
        return true;
    }

    private static async ValueTask EndAsync(IMessageHandler<TMessage>? handler)
    {
        if (handler is IAsyncDisposable asynchronous) await asynchronous.DisposeAsync().ConfigureAwait(false);
        else (handler as IDisposable)?.Dispose();
    }
}
