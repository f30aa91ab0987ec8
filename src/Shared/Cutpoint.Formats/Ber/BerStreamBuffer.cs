using System.Buffers;

namespace Cutpoint.Formats.Ber;

/// <summary>Gathers small writes into large ones in front of a stream. Memory: one rented array.</summary>
internal sealed class BerStreamBuffer(Stream destination) : IBufferWriter<byte>, IDisposable
{
    private const int Capacity = 256 << 10;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(Capacity);
    private int _filled;

    /// <summary>Half full: a good moment for an asynchronous flush, so that no write has to block.</summary>
    public bool IsHalfFull => _filled >= Capacity / 2;

    public void Advance(int count) => _filled += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_buffer.Length - _filled < Math.Max(sizeHint, 1)) WriteOut();
        return _buffer.AsMemory(_filled);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public void Flush()
    {
        WriteOut();
        destination.Flush();
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await destination.WriteAsync(_buffer.AsMemory(0, _filled), cancellationToken).ConfigureAwait(false);
        _filled = 0;
        await destination.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _filled = 0;
    }

    private void WriteOut()
    {
        destination.Write(_buffer, 0, _filled);
        _filled = 0;
    }
}
