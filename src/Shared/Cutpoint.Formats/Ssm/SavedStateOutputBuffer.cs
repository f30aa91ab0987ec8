namespace Cutpoint.Formats.Ssm;

/// <summary>Gathers what is written, with its offset and checksum, for writes of 64 KiB.</summary>
internal sealed class SavedStateOutputBuffer(Stream stream)
{
    private const int Full = 1 << 16;

    // A unit's header, its last two records and its terminator fit behind a buffer that is not full.
    private readonly byte[] _octets = new byte[Full + (1 << 14)];
    private int _length;

    /// <summary>Octets written so far.</summary>
    public long Offset { get; private set; }

    /// <summary>The checksum of everything written so far.</summary>
    public uint Checksum { get; private set; }

    /// <summary>True when it is time to hand the octets on.</summary>
    public bool IsFull => _length >= Full;

    /// <summary>Room for octets to be appended; there is some for one part whenever the buffer is not full.</summary>
    public Span<byte> Free(int count) => _octets.AsSpan(_length, count);

    /// <summary>Takes octets that were put into the room.</summary>
    public void Append(int count)
    {
        Checksum = Crc32.Append(Checksum, _octets.AsSpan(_length, count));
        _length += count;
        Offset += count;
    }

    /// <summary>Hands on what is gathered, and then these octets without a copy.</summary>
    public void Write(ReadOnlySpan<byte> octets)
    {
        Flush();
        Checksum = Crc32.Append(Checksum, octets);
        Offset += octets.Length;
        stream.Write(octets);
    }

    /// <summary>Hands the octets on.</summary>
    public void Flush()
    {
        stream.Write(_octets, 0, _length);
        _length = 0;
    }

    /// <inheritdoc cref="Flush"/>
    public async ValueTask FlushAsync(CancellationToken cancellation)
    {
        await stream.WriteAsync(_octets.AsMemory(0, _length), cancellation).ConfigureAwait(false);
        _length = 0;
    }
}
