using System.Runtime.InteropServices;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>Snappy blocks without frame, made by the system's libsnappy. What kdump files call snappy.</summary>
public sealed unsafe partial class SnappyCodec : IBlockCodec
{
    private const int Ok = 0;

    [ThreadStatic]
    private static byte[]? _scratch;

    static SnappyCodec() => NativeLibraries.Register();

    private SnappyCodec()
    {
    }

    /// <summary>The only instance.</summary>
    public static SnappyCodec Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "snappy";

    /// <inheritdoc/>
    public int MaxCompressedLength(int length) => checked(32 + length + (length / 6));

    /// <inheritdoc/>
    public bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        // The library wants room for the worst case, or refuses before it looks.
        var bound = MaxCompressedLength(source.Length);
        if (destination.Length >= bound)
        {
            written = Compress(source, destination);
            return true;
        }
        if (_scratch is null || _scratch.Length < bound) _scratch = GC.AllocateUninitializedArray<byte>(bound);
        written = Compress(source, _scratch);
        return _scratch.AsSpan(0, written).TryCopyTo(destination);
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        int result;
        nuint length = 0;
        fixed (byte* from = source, to = destination)
        {
            result = snappy_uncompressed_length(from, (nuint)source.Length, &length);
            if (result != Ok) throw CodecError.Damaged(Name, "the block has no length");
            if (length != (nuint)destination.Length)
                throw CodecError.WrongLength(Name, (long)Math.Min(length, int.MaxValue), destination.Length);
            result = snappy_uncompress(from, (nuint)source.Length, to, &length);
        }
        if (result != Ok) throw CodecError.Damaged(Name, "the block is damaged");
    }

    private static int Compress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var length = (nuint)destination.Length;
        fixed (byte* from = source, to = destination)
        {
            var result = snappy_compress(from, (nuint)source.Length, to, &length);
            if (result != Ok) throw new SnapshotException(ErrorCode.Failed, $"snappy cannot compress: error {result}");
        }
        return (int)length;
    }

    [LibraryImport(NativeLibraries.Snappy)]
    private static partial int snappy_compress(byte* from, nuint length, byte* to, nuint* written);

    [LibraryImport(NativeLibraries.Snappy)]
    private static partial int snappy_uncompress(byte* from, nuint length, byte* to, nuint* written);

    [LibraryImport(NativeLibraries.Snappy)]
    private static partial int snappy_uncompressed_length(byte* from, nuint length, nuint* result);
}
