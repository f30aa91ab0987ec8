using System.Threading.Channels;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>
/// The events of some names since the subscription, in order, kept until read. Bounded: a reader that falls <see cref="Capacity"/> events
/// behind gets an error instead of a gap. Disposing ends the subscription. One reader at a time.
/// </summary>
public sealed class QmpEventStream : IDisposable
{
    /// <summary>Events kept for a reader that does not read.</summary>
    public const int Capacity = 4096;

    private readonly Channel<QmpEvent> _events = Channel.CreateBounded<QmpEvent>(Capacity);
    private readonly Action<QmpEventStream> _unsubscribe;
    private readonly TimeProvider _time;
    private readonly string _path;

    internal QmpEventStream(string path, IReadOnlyList<string> names, Action<QmpEventStream> unsubscribe, TimeProvider time)
    {
        _path = path;
        Names = names;
        _unsubscribe = unsubscribe;
        _time = time;
    }

    /// <summary>The names subscribed to; empty for all.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The next event.</summary>
    /// <exception cref="QmpException">The connection ended, or the reader fell too far behind.</exception>
    public async ValueTask<QmpEvent> ReadAsync(CancellationToken cancellation)
    {
        try
        {
            return await _events.Reader.ReadAsync(cancellation);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is QmpException reason)
        {
            throw new QmpException(reason.Failure, reason.Code, reason.Message, reason.Advice, reason);
        }
    }

    /// <summary>The next event, when it has come already.</summary>
    public bool TryRead(out QmpEvent next) => _events.Reader.TryRead(out next);

    /// <summary>Reads until an event fits; those that do not are passed over.</summary>
    /// <exception cref="QmpException">None came within the deadline, or the connection ended.</exception>
    public async Task<QmpEvent> WaitAsync(Func<QmpEvent, bool> fits, TimeSpan deadline, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(deadline, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            while (true)
            {
                var next = await ReadAsync(both.Token);
                if (fits(next)) return next;
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw QmpException.Stalled(_path, $"event {string.Join('|', Names)}", deadline);
        }
    }

    /// <summary>Ends the subscription.</summary>
    public void Dispose()
    {
        _unsubscribe(this);
        _events.Writer.TryComplete();
    }

    internal void Offer(in QmpEvent next)
    {
        if (Names.Count > 0 && !Names.Contains(next.Name)) return;
        if (!_events.Writer.TryWrite(next))
        {
            End(new QmpException(QmpFailure.Overrun, ErrorCode.Failed, $"{_path}: more than {Capacity} events came unread"));
        }
    }

    internal void End(QmpException reason) => _events.Writer.TryComplete(reason);
}
