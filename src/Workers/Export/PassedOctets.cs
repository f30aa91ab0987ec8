namespace Cutpoint.Workers.Export;

/// <summary>A stream that keeps what was read of it until it is taken. Not safe for concurrent use.</summary>
/// <param name="input">What is read; not closed.</param>
/// <param name="limit">Octets that are kept.</param>
/// <param name="exceeded">Makes the error of a reader that goes further without taking.</param>
internal sealed class PassedOctets(Stream input, int limit, Func<Exception> exceeded) : Stream
{
    private byte[] _kept = new byte[64 << 10];
    private int _start;
    private int _end;
    private long _position;

    /// <summary>Position behind the last octet read.</summary>
    public long End => _position + _end - _start;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>The octets up to a position that were not taken yet. Valid until the next read.</summary>
    public ReadOnlySpan<byte> Take(long until)
    {
        var taken = _kept.AsSpan(_start, (int)(until - _position));
        _start += taken.Length;
        _position = until;
        return taken;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await input.ReadAsync(buffer, cancellationToken);
        if (count > _kept.Length - _end) MakeRoom(count);
        buffer.Span[..count].CopyTo(_kept.AsSpan(_end));
        _end += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private void MakeRoom(int count)
    {
        var kept = _end - _start;
        if (kept + count > limit) throw exceeded();
        var larger = kept + count > _kept.Length / 2 ? new byte[Math.Min(2L * (kept + count), limit)] : _kept;
        _kept.AsSpan(_start, kept).CopyTo(larger);
        (_kept, _start, _end) = (larger, 0, kept);
    }
}
