namespace Cutpoint.Formats;

/// <summary>
/// Compresses independent blocks: what goes in with one call comes out with one call. Implementations are safe for concurrent use, keep their
/// working memory per thread, and allocate nothing per call.
/// </summary>
public interface IBlockCodec
{
    /// <summary>Short name, such as "zstd".</summary>
    string Name { get; }

    /// <summary>Octets that always suffice for the compressed form of a block.</summary>
    /// <param name="length">Octets of the block.</param>
    int MaxCompressedLength(int length);

    /// <summary>Compresses a block.</summary>
    /// <param name="source">The block.</param>
    /// <param name="destination">Takes the compressed form; must not overlap the source. Contents are undefined when the result is false.</param>
    /// <param name="written">Octets written.</param>
    /// <returns>False when the compressed form does not fit into the destination.</returns>
    bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written);

    /// <summary>Decompresses a block of known length. The source is treated as hostile.</summary>
    /// <param name="source">The compressed form, whole.</param>
    /// <param name="destination">Exactly as long as the block.</param>
    /// <exception cref="MalformedInputException">The source is damaged, or the block has another length.</exception>
    void Decompress(ReadOnlySpan<byte> source, Span<byte> destination);
}
