namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>The target's end of the stream: the payload of the frames. A bad frame fails every later read too. The connection stays the caller's.</summary>
public sealed class TeleportTargetStream(Stream connection) : Stream
{
    private readonly byte[] _header = new byte[TeleportFrames.HeaderSize];
    private long _offset;
    private uint _left;
    private bool _ended;
    private SavedStateException? _fault;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads on to the end of the stream, so that commands can follow on the connection.</summary>
    public async ValueTask DrainAsync(CancellationToken cancellation)
    {
        var rest = new byte[4096];
        while (await ReadAsync(rest, cancellation).ConfigureAwait(false) > 0)
        {
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _ended) return 0;
        if (_left == 0)
        {
            var count = await connection.ReadAtLeastAsync(_header, _header.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (!Begin(count)) return 0;
        }
        return Took(await connection.ReadAsync(buffer[..(int)Math.Min((uint)buffer.Length, _left)], cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty || _ended) return 0;
        if (_left == 0 && !Begin(connection.ReadAtLeast(_header, _header.Length, throwOnEndOfStream: false))) return 0;
        return Took(connection.Read(buffer[..(int)Math.Min((uint)buffer.Length, _left)]));
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>A frame's header was read; false at the end of the stream.</summary>
    private bool Begin(int count)
    {
        if (_fault is not null) throw _fault;
        try
        {
            if (count < _header.Length) throw new SavedStateException(SavedStateStatus.EndOfFile, _offset, "the connection ends inside of the saved state");
            var size = TeleportFrames.Read(_header, _offset);
            if (size == TeleportFrames.Cancelled) throw new SavedStateException(SavedStateStatus.Cancelled, _offset, "the source has cancelled");
            _offset += count;
            _left = size;
            _ended = size == TeleportFrames.End;
            return !_ended;
        }
        catch (SavedStateException e)
        {
            _fault = e;
            throw;
        }
    }

    private int Took(int count)
    {
        if (count == 0) throw _fault = new SavedStateException(SavedStateStatus.EndOfFile, _offset, "the connection ends inside of a frame");
        _left -= (uint)count;
        _offset += count;
        return count;
    }
}
