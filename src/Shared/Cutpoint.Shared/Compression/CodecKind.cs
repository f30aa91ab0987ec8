namespace Cutpoint.Compression;

/// <summary>How the payload of a section is compressed. The numbers are those of the pack format.</summary>
public enum CodecKind
{
    /// <summary>Stored as it is.</summary>
    None = 0,

    /// <summary>One Zstandard frame.</summary>
    Zstd = 1,

    /// <summary>One LZ4 block, without frame.</summary>
    Lz4 = 2,
}
