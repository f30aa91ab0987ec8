using System.Runtime.InteropServices;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>Zstandard frames, one per block, made by the system's libzstd. Frames carry no checksum of their own: the section around them
/// does.</summary>
public sealed unsafe partial class ZstdCodec : IBlockCodec
{
    private const int SectionWindowLog = 22;
    private const int FastHashLog = 15;

    [ThreadStatic]
    private static Contexts? _contexts;

    private readonly (int Parameter, int Value)[] _parameters;

    private ZstdCodec((int Parameter, int Value)[] parameters) => _parameters = parameters;

    /// <inheritdoc/>
    public string Name => "zstd";

    /// <summary>Frames as the library makes them by default, for formats of others.</summary>
    /// <param name="level">Level of compression.</param>
    public static ZstdCodec ForLevel(int level) => new([(Parameter.CompressionLevel, level)]);

    /// <summary>
    /// Frames of up to 4 MiB of guest memory. The window covers a whole section, and level 1 gets a hash table of twice its usual size:
    /// that makes up for what independent frames and the page hashes beside them cost, at the same speed, because the table still fits the
    /// second-level cache.
    /// </summary>
    /// <param name="level">Level of compression.</param>
    public static ZstdCodec ForSections(int level)
    {
        List<(int, int)> parameters =
        [
            (Parameter.CompressionLevel, level),
            (Parameter.WindowLog, SectionWindowLog),
            (Parameter.ContentSizeFlag, 0),
            (Parameter.ChecksumFlag, 0),
        ];
        if (level == 1) parameters.Add((Parameter.HashLog, FastHashLog));
        return new ZstdCodec([.. parameters]);
    }

    /// <inheritdoc/>
    public int MaxCompressedLength(int length) => checked(length + (length >> 8) + 512);

    /// <inheritdoc/>
    public bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        var context = (_contexts ??= new Contexts()).ForCompression(this);
        fixed (byte* from = source, to = destination)
        {
            var result = ZSTD_compress2(context, to, (nuint)destination.Length, from, (nuint)source.Length);
            if (ZSTD_isError(result) == 0)
            {
                written = (int)result;
                return true;
            }
            written = 0;
            if (ZSTD_getErrorCode(result) == ErrorDestinationTooSmall) return false;
            throw new SnapshotException(ErrorCode.Failed, $"zstd cannot compress: {ErrorName(result)}");
        }
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var context = (_contexts ??= new Contexts()).ForDecompression();
        fixed (byte* from = source, to = destination)
        {
            var result = ZSTD_decompressDCtx(context, to, (nuint)destination.Length, from, (nuint)source.Length);
            if (ZSTD_isError(result) != 0) throw CodecError.Damaged(Name, ErrorName(result));
            if (result != (nuint)destination.Length) throw CodecError.WrongLength(Name, (long)result, destination.Length);
        }
    }

    private static string ErrorName(nuint result) => Marshal.PtrToStringUTF8(ZSTD_getErrorName(result)) ?? "unknown error";

    private static class Parameter
    {
        public const int CompressionLevel = 100;
        public const int WindowLog = 101;
        public const int HashLog = 102;
        public const int ContentSizeFlag = 200;
        public const int ChecksumFlag = 201;
    }

    private const int ErrorDestinationTooSmall = 70;

    /// <summary>The working memory of one thread. Finalized with its thread's statics.</summary>
    private sealed class Contexts
    {
        private nint _compression;
        private nint _decompression;
        private ZstdCodec? _configured;

        ~Contexts()
        {
            if (_compression != 0) _ = ZSTD_freeCCtx(_compression);
            if (_decompression != 0) _ = ZSTD_freeDCtx(_decompression);
        }

        public nint ForCompression(ZstdCodec codec)
        {
            if (_compression == 0) _compression = Created(ZSTD_createCCtx());
            if (_configured == codec) return _compression;
            _configured = null;
            Check(ZSTD_CCtx_reset(_compression, ResetSessionAndParameters));
            foreach (var (parameter, value) in codec._parameters) Check(ZSTD_CCtx_setParameter(_compression, parameter, value));
            _configured = codec;
            return _compression;
        }

        public nint ForDecompression()
        {
            if (_decompression == 0) _decompression = Created(ZSTD_createDCtx());
            return _decompression;
        }

        private const int ResetSessionAndParameters = 3;

        private static nint Created(nint context) =>
            context != 0
                ? context
                : throw new SnapshotException(ErrorCode.Failed, "zstd has no memory for a context") { IsTransient = true };

        private static void Check(nuint result)
        {
            if (ZSTD_isError(result) != 0)
                throw new SnapshotException(ErrorCode.Incompatible, $"zstd: {ErrorName(result)}", "install libzstd1 1.4.0 or newer");
        }
    }

    static ZstdCodec() => NativeLibraries.Register();

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nint ZSTD_createCCtx();

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_CCtx_reset(nint context, int directive);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_CCtx_setParameter(nint context, int parameter, int value);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_compress2(nint context, byte* to, nuint capacity, byte* from, nuint length);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nint ZSTD_createDCtx();

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_freeDCtx(nint context);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nuint ZSTD_decompressDCtx(nint context, byte* to, nuint capacity, byte* from, nuint length);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial uint ZSTD_isError(nuint result);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial int ZSTD_getErrorCode(nuint result);

    [LibraryImport(NativeLibraries.Zstd)]
    private static partial nint ZSTD_getErrorName(nuint result);
}
