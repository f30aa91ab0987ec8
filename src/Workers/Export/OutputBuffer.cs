using System.Buffers;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Two buffers in front of a stream: one is filled while the other is written. Hands the stream large pieces and holds at most two of them. One user at a time.
/// </summary>
internal sealed class OutputBuffer(Stream stream) : IBufferWriter<byte>
{
    /// <summary>When a buffer is worth writing. A section of pages with its framing fits behind it without another allocation.</summary>
    private const int Full = 1 << 20;

    private const int Capacity = 6 << 20;

    private ArrayBufferWriter<byte> _filling = new(Capacity);
    private ArrayBufferWriter<byte> _writing = new(Capacity);
    private Task _write = Task.CompletedTask;

    /// <summary>Octets taken so far.</summary>
    public long Position { get; private set; }

    /// <inheritdoc/>
    public void Advance(int count)
    {
        _filling.Advance(count);
        Position += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0) => _filling.GetMemory(sizeHint);

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => _filling.GetSpan(sizeHint);

    /// <summary>Starts writing when there is enough; waits for the write before it.</summary>
    public ValueTask FlushIfFullAsync(CancellationToken cancellation) =>
        _filling.WrittenCount < Full ? ValueTask.CompletedTask : new ValueTask(StartAsync(cancellation));

    /// <summary>Writes everything.</summary>
    public async Task FlushAsync(CancellationToken cancellation)
    {
        await StartAsync(cancellation);
        await _write.WaitAsync(cancellation);
    }

    private async Task StartAsync(CancellationToken cancellation)
    {
        // A reader of a pipe who neither reads nor goes away holds the write for ever; a cancelled caller does not wait for it.
        await _write.WaitAsync(cancellation);
        (_filling, _writing) = (_writing, _filling);
        _filling.ResetWrittenCount();
        _write = Task.Run(() => stream.WriteAsync(_writing.WrittenMemory, cancellation).AsTask(), cancellation);
    }
}
