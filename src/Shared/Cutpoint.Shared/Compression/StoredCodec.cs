using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>The codec "none": blocks are stored as they are.</summary>
public sealed class StoredCodec : IBlockCodec
{
    private StoredCodec()
    {
    }

    /// <summary>The only instance.</summary>
    public static StoredCodec Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "none";

    /// <inheritdoc/>
    public int MaxCompressedLength(int length) => length;

    /// <inheritdoc/>
    public bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        written = source.Length;
        return source.TryCopyTo(destination);
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (source.Length != destination.Length)
            throw CodecError.Damaged(Name, $"{source.Length} octets stored where {destination.Length} are due");
        source.CopyTo(destination);
    }
}
