using System.Runtime.InteropServices;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>zlib streams (RFC 1950), one per block, made by the system's zlib. What kdump files call zlib.</summary>
public sealed unsafe partial class ZlibCodec : IBlockCodec
{
    private const int Ok = 0;
    private const int BufferError = -5;

    private readonly int _level;

    static ZlibCodec() => NativeLibraries.Register();

    /// <summary>Creates a codec.</summary>
    /// <param name="level">1 (fast) to 9.</param>
    public ZlibCodec(int level)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(level, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, 9);
        _level = level;
    }

    /// <inheritdoc/>
    public string Name => "zlib";

    /// <inheritdoc/>
    public int MaxCompressedLength(int length) => checked(length + (length >> 12) + (length >> 14) + (length >> 25) + 13);

    /// <inheritdoc/>
    public bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        var length = (nuint)destination.Length;
        int result;
        fixed (byte* from = source, to = destination)
            result = compress2(to, &length, from, (nuint)source.Length, _level);
        written = result == Ok ? (int)length : 0;
        return result switch
        {
            Ok => true,
            BufferError => false,
            _ => throw new SnapshotException(ErrorCode.Failed, $"zlib cannot compress: error {result}") { IsTransient = true },
        };
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var length = (nuint)destination.Length;
        var used = (nuint)source.Length;
        int result;
        fixed (byte* from = source, to = destination)
            result = uncompress2(to, &length, from, &used);
        if (result == BufferError)
            throw CodecError.Damaged(Name, $"the block is cut short or expands to more than {destination.Length} octets");
        if (result != Ok) throw CodecError.Damaged(Name, $"error {result}");
        if (length != (nuint)destination.Length) throw CodecError.WrongLength(Name, (long)length, destination.Length);
        if (used != (nuint)source.Length)
            throw CodecError.Damaged(Name, $"{(nuint)source.Length - used} octets follow the end of the stream");
    }

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int compress2(byte* to, nuint* capacity, byte* from, nuint length, int level);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int uncompress2(byte* to, nuint* capacity, byte* from, nuint* length);
}
