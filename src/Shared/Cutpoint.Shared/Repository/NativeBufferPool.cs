using System.Collections.Concurrent;

namespace Cutpoint.Repository;

/// <summary>
/// Native buffers of one size. The one that came back last goes out first: its memory is in the processor's cache, and no more buffers are touched than are
/// needed at a time. How many are out is up to the callers, whose stages are bounded. Safe for concurrent use.
/// </summary>
/// <param name="length">Octets of every buffer.</param>
/// <param name="retained">How many idle buffers are kept.</param>
internal sealed class NativeBufferPool(int length, int retained) : IDisposable
{
    private readonly ConcurrentStack<NativeBuffer> _idle = new();
    private volatile bool _disposed;

    public NativeBuffer Rent() => _idle.TryPop(out var buffer) ? buffer : new NativeBuffer(this, length);

    public void Return(NativeBuffer buffer)
    {
        if (_disposed || _idle.Count >= retained) buffer.Free();
        else _idle.Push(buffer);
    }

    public void Dispose()
    {
        _disposed = true;
        while (_idle.TryPop(out var buffer)) buffer.Free();
    }
}
