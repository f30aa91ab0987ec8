using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Kdump;

namespace Cutpoint.Workers.Export;

/// <summary>The codecs of kdump files, at the levels QEMU and makedumpfile use: both take the fastest.</summary>
internal static class KdumpCodecs
{
    private const int FastestLevel = 1;

    private static readonly ZlibCodec Zlib = new(FastestLevel);
    private static readonly ZstdCodec Zstd = ZstdCodec.ForLevel(FastestLevel);

    /// <summary>The codec of a method.</summary>
    public static IBlockCodec For(KdumpCompression compression) => compression switch
    {
        KdumpCompression.Zlib => Zlib,
        KdumpCompression.Lzo => LzoCodec.Instance,
        KdumpCompression.Snappy => SnappyCodec.Instance,
        KdumpCompression.Zstd => Zstd,
        _ => throw new ArgumentOutOfRangeException(nameof(compression)),
    };
}
