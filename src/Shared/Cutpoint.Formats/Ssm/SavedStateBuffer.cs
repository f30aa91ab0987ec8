namespace Cutpoint.Formats.Ssm;

/// <summary>A window on the input with a running checksum of everything taken from it. Larger than any part that is read as a whole.</summary>
internal sealed class SavedStateBuffer(Stream stream)
{
    private readonly byte[] _octets = new byte[1 << 16];
    private int _start;
    private int _end;

    /// <summary>Octets that are there.</summary>
    public ReadOnlySpan<byte> Window => _octets.AsSpan(_start, _end - _start);

    /// <summary>True when the input has no more than <see cref="Window"/>.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Octets from the start of the input to <see cref="Window"/>.</summary>
    public long Offset { get; private set; }

    /// <summary>The checksum of everything up to <see cref="Offset"/>, when it is kept.</summary>
    public uint Checksum { get; set; }

    /// <summary>Whether a checksum is kept.</summary>
    public bool KeepsChecksum { get; set; }

    /// <summary>Takes octets.</summary>
    public void Take(int count)
    {
        if (KeepsChecksum) Checksum = Crc32.Append(Checksum, _octets.AsSpan(_start, count));
        _start += count;
        Offset += count;
    }

    /// <summary>Reads more; sets <see cref="IsAtEnd"/> when there is no more.</summary>
    public void Fill() => Filled(stream.Read(Free()));

    /// <inheritdoc cref="Fill"/>
    public async ValueTask FillAsync(CancellationToken cancellation)
    {
        Free();
        Filled(await stream.ReadAsync(_octets.AsMemory(_end), cancellation).ConfigureAwait(false));
    }

    /// <summary>Forgets the window: the stream was moved to an offset.</summary>
    public void Restart(long offset, uint checksum) =>
        (Offset, _start, _end, IsAtEnd, Checksum) = (offset, 0, 0, false, checksum);

    private Span<byte> Free()
    {
        if (_start > 0)
        {
            _octets.AsSpan(_start, _end - _start).CopyTo(_octets);
            _end -= _start;
            _start = 0;
        }
        return _octets.AsSpan(_end);
    }

    private void Filled(int count)
    {
        _end += count;
        IsAtEnd = count == 0;
    }
}
