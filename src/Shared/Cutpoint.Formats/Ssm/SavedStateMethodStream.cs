namespace Cutpoint.Formats.Ssm;

/// <summary>A table of stream methods as a stream. One user at a time.</summary>
public sealed class SavedStateMethodStream : Stream
{
    private readonly SavedStateStreamMethods _methods;
    private readonly long? _length;
    private long _offset;
    private bool _cancelled;
    private bool _closed;

    internal SavedStateMethodStream(SavedStateStreamMethods methods)
    {
        _methods = methods;
        _offset = methods.Tell!();
        try
        {
            methods.Seek!(_offset, SeekOrigin.Begin);
            _length = methods.Size!();
        }
        catch (NotSupportedException)
        {
            // Such a stream is read forward only.
            _length = null;
        }
    }

    /// <inheritdoc/>
    public override bool CanRead => !_closed;

    /// <inheritdoc/>
    public override bool CanSeek => _length is not null && !_closed;

    /// <inheritdoc/>
    public override bool CanWrite => !_closed;

    /// <inheritdoc/>
    public override long Length => _length is not null ? _methods.Size!() : throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => _offset;
        set => Seek(value, SeekOrigin.Begin);
    }

    /// <summary>Has the methods told on closing that the stream was cancelled.</summary>
    public void Cancel() => _cancelled = true;

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        var count = _methods.Read!(_offset, buffer);
        if (count < 0 || count > buffer.Length) throw new SavedStateException(SavedStateStatus.StreamError, _offset, $"{count} octets read, {buffer.Length} were asked for");
        _offset += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        _methods.Check?.Invoke();
        _methods.Write!(_offset, buffer);
        _offset += buffer.Length;
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        return _offset = _methods.Seek!(offset, origin);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!_closed && disposing)
        {
            _closed = true;
            _methods.Close!(_cancelled);
        }
        base.Dispose(disposing);
    }
}
