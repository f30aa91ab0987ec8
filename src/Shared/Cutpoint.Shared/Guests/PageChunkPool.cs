using System.Threading.Channels;

namespace Cutpoint.Guests;

/// <summary>
/// A fixed number of page chunks. Renting is the credit of the data way: who wants to read guest memory must hold a chunk first, chunks come
/// back when their pages are durable, and waiters are served in the order they asked. So memory is bounded whatever the guest's size.
/// Safe for concurrent use.
/// </summary>
public sealed class PageChunkPool : IDisposable
{
    private readonly Channel<PageChunk> _free;
    private readonly int _capacity;
    private int _created;
    private volatile bool _disposed;

    /// <summary>Creates a pool; buffers are allocated when first needed.</summary>
    /// <param name="capacity">Chunks of 4 MiB, at least 1.</param>
    public PageChunkPool(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _capacity = capacity;
        _free = Channel.CreateBounded<PageChunk>(capacity);
    }

    /// <summary>Octets the pool may come to hold.</summary>
    public long Capacity => (long)_capacity * Paging.SectionSize;

    /// <summary>Chunks that wait here and were in use before, so that their memory was touched.</summary>
    public int Idle => _free.Reader.Count;

    /// <summary>Waits for a chunk. The caller owns it until it disposes it or passes it on.</summary>
    public ValueTask<PageChunk> RentAsync(CancellationToken cancellation) =>
        TryRent() is { } chunk ? ValueTask.FromResult(chunk) : WaitAsync(cancellation);

    /// <summary>A chunk, when one can be had without waiting.</summary>
    public PageChunk? TryRent()
    {
        if (TryRentIdle() is { } idle) return idle;
        if (Volatile.Read(ref _created) >= _capacity) return null;
        if (Interlocked.Increment(ref _created) <= _capacity) return new PageChunk(this).Out();
        Interlocked.Decrement(ref _created);
        return null;
    }

    /// <summary>One of the <see cref="Idle"/> chunks, if there is any.</summary>
    public PageChunk? TryRentIdle()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _free.Reader.TryRead(out var chunk) ? chunk.Out() : null;
    }

    /// <summary>Touches the memory of chunks that wait here, since the first touch of a page costs more than copying it.</summary>
    /// <param name="count">How many; all when left out.</param>
    public void Touch(int count = int.MaxValue)
    {
        var all = new List<PageChunk>();
        while (all.Count < count && TryRent() is { } chunk)
        {
            for (var at = 0; at < Paging.SectionSize; at += Paging.PageSize) chunk.Buffer[at] = 0;
            all.Add(chunk);
        }
        foreach (var chunk in all) chunk.Dispose();
    }

    /// <summary>
    /// Frees every chunk that is in the pool; chunks still out are freed when they come back. Who waits for one is told that the pool is gone.
    /// </summary>
    public void Dispose()
    {
        _free.Writer.TryComplete(new ObjectDisposedException(nameof(PageChunkPool)));
        _disposed = true;
        while (_free.Reader.TryRead(out var chunk)) chunk.Free();
    }

    internal void Return(PageChunk chunk)
    {
        if (!_free.Writer.TryWrite(chunk)) chunk.Free();
    }

    private async ValueTask<PageChunk> WaitAsync(CancellationToken cancellation)
    {
        try
        {
            return (await _free.Reader.ReadAsync(cancellation).ConfigureAwait(false)).Out();
        }
        catch (ChannelClosedException e)
        {
            throw e.InnerException ?? e;
        }
    }
}
