namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>
/// The source's end of the stream: what is written goes out in frames, one a call unless it is larger than a frame. Ends with <see cref="CompleteAsync"/> or
/// <see cref="CancelAsync"/>; disposing tells the target nothing. The connection stays the caller's.
/// </summary>
public sealed class TeleportSourceStream(Stream connection) : Stream
{
    private readonly byte[] _header = new byte[TeleportFrames.HeaderSize];

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Tells the target that the saved state is complete.</summary>
    public ValueTask CompleteAsync(CancellationToken cancellation) => SendAsync(TeleportFrames.End, default, cancellation);

    /// <summary>Tells the target that no more will come.</summary>
    public ValueTask CancelAsync(CancellationToken cancellation) => SendAsync(TeleportFrames.Cancelled, default, cancellation);

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, TeleportFrames.MaxPayload)];
            await SendAsync((uint)part.Length, part, cancellationToken).ConfigureAwait(false);
            buffer = buffer[part.Length..];
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, TeleportFrames.MaxPayload)];
            TeleportFrames.Write(_header, (uint)part.Length);
            connection.Write(_header);
            connection.Write(part);
            buffer = buffer[part.Length..];
        }
    }

    /// <inheritdoc/>
    public override void Flush() => connection.Flush();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    private async ValueTask SendAsync(uint size, ReadOnlyMemory<byte> payload, CancellationToken cancellation)
    {
        TeleportFrames.Write(_header, size);
        await connection.WriteAsync(_header, cancellation).ConfigureAwait(false);
        if (!payload.IsEmpty) await connection.WriteAsync(payload, cancellation).ConfigureAwait(false);
    }
}
