namespace Cutpoint.Formats.Kdump;

/// <summary>How the pages of a kdump file are compressed: its number in the header and in page descriptors.</summary>
public enum KdumpCompression : uint
{
    /// <summary>As they are.</summary>
    None = 0,

    /// <summary>zlib streams.</summary>
    Zlib = 1,

    /// <summary>LZO1X blocks.</summary>
    Lzo = 2,

    /// <summary>Snappy blocks.</summary>
    Snappy = 4,

    /// <summary>Zstandard frames; crash 8 and makedumpfile 1.7.1 read them, QEMU does not write them.</summary>
    Zstd = 0x20,
}
