using Cutpoint.Formats.Qemu;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// Moves a migration stream from its source through the parser into the RAM blocks, as far as it is told to. Whoever does not call it holds the stream.
/// Not safe for concurrent use.
/// </summary>
internal sealed class StreamPump : IDisposable
{
    private const int BufferSize = 1 << 20;

    private readonly IStreamSource _source;
    private readonly StreamPages _pages;
    private readonly MigrationWatch _watch;
    private readonly QemuStreamParser _parser;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize, pinned: true);
    private Task<int>? _reading;

    public StreamPump(IStreamSource source, StreamPages pages, MigrationWatch watch)
    {
        _source = source;
        _pages = pages;
        _watch = watch;
        _parser = new QemuStreamParser(pages);
    }

    /// <summary>Octets moved so far.</summary>
    public long Octets => _parser.Position;

    /// <summary>Moves the stream until a condition holds that depends on the migration, or the stream ends.</summary>
    /// <returns>True when the stream has ended.</returns>
    /// <exception cref="Formats.MalformedInputException">The stream is damaged.</exception>
    public async Task<bool> RunAsync(Func<bool> enough, CancellationToken cancellation)
    {
        if (_pages.IsFull) await _pages.DrainAsync(cancellation);
        while (true)
        {
            var changed = _watch.Changed;
            if (enough()) return false;
            _reading ??= _source.ReadAsync(_buffer);
            if (!_reading.IsCompleted)
            {
                await Task.WhenAny(_reading, changed).WaitAsync(cancellation);
                if (!_reading.IsCompleted) continue;
            }
            var length = await _reading;
            _reading = null;
            if (length == 0) return true;
            for (var at = 0; at < length;)
            {
                at += _parser.Consume(_buffer.AsSpan(at..length));
                if (_pages.IsFull) await _pages.DrainAsync(cancellation);
            }
        }
    }

    /// <summary>QEMU has written everything: what is on its way still comes, then the end.</summary>
    public void Finish() => _source.Finish();

    /// <summary>The stream has ended: the devices.</summary>
    public QemuDevicePart Complete() => _parser.Complete();

    public void Dispose()
    {
        _source.Dispose();
        _pages.Dispose();
        // The read ended with its source; how does not matter any more.
        _reading?.ContinueWith(static read => _ = read.Exception, TaskScheduler.Default);
    }
}
