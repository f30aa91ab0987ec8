namespace Cutpoint.Workers.Export;

/// <summary>A seekable file that tells how far it was read.</summary>
internal sealed class ProgressStream(FileStream input, IProgress<MemoryProgress>? progress) : Stream
{
    private readonly long _length = input.Length;

    public override bool CanRead => true;

    public override bool CanSeek => input.CanSeek;

    public override bool CanWrite => false;

    public override long Length => _length;

    public override long Position
    {
        get => input.Position;
        set => input.Position = value;
    }

    public override int Read(Span<byte> buffer) => Tell(input.Read(buffer));

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Tell(await input.ReadAsync(buffer, cancellationToken));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) => input.Seek(offset, origin);

    public override void Flush() => input.Flush();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private int Tell(int count)
    {
        progress?.Report(new MemoryProgress(input.Position, _length));
        return count;
    }
}
