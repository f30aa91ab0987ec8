using System.Runtime.InteropServices;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>
/// zlib streams (RFC 1950), one per block, made by the system's zlib. What kdump files call zlib. Every thread keeps a stream of each kind and resets it:
/// setting one up costs a fifth of compressing a page.
/// </summary>
public sealed unsafe partial class ZlibCodec : IBlockCodec
{
    private const int Ok = 0;
    private const int StreamEnd = 1;
    private const int BufferError = -5;
    private const int Finish = 4;

    [ThreadStatic]
    private static Streams? _streams;

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
        var stream = (_streams ??= new Streams()).ForCompression(_level);
        fixed (byte* from = source, to = destination)
        {
            Set(stream, from, source.Length, to, destination.Length);
            // Without room for the end the stream is left as it is; the next reset starts it anew.
            var result = deflate(stream, Finish);
            if (result is not (Ok or StreamEnd or BufferError))
                throw new SnapshotException(ErrorCode.Failed, $"zlib cannot compress: error {result}") { IsTransient = true };
            written = result == StreamEnd ? destination.Length - (int)stream->AvailableOut : 0;
            return result == StreamEnd;
        }
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var stream = (_streams ??= new Streams()).ForDecompression();
        int result;
        fixed (byte* from = source, to = destination)
        {
            Set(stream, from, source.Length, to, destination.Length);
            result = inflate(stream, Finish);
        }
        if (result is Ok or BufferError)
            throw CodecError.Damaged(Name, $"the block is cut short or expands to more than {destination.Length} octets");
        if (result != StreamEnd) throw CodecError.Damaged(Name, $"error {result}");
        if (stream->AvailableOut != 0) throw CodecError.WrongLength(Name, destination.Length - stream->AvailableOut, destination.Length);
        if (stream->AvailableIn != 0) throw CodecError.Damaged(Name, $"{stream->AvailableIn} octets follow the end of the stream");
    }

    private static void Set(Stream* stream, byte* from, int length, byte* to, int capacity)
    {
        // The library refuses to write nothing to nowhere.
        if (capacity == 0) to = (byte*)stream;
        stream->NextIn = from;
        stream->AvailableIn = (uint)length;
        stream->NextOut = to;
        stream->AvailableOut = (uint)capacity;
    }

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int deflateInit_(Stream* stream, int level, byte* version, int structureLength);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int deflateReset(Stream* stream);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int deflate(Stream* stream, int flush);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int deflateEnd(Stream* stream);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int inflateInit_(Stream* stream, byte* version, int structureLength);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int inflateReset(Stream* stream);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int inflate(Stream* stream, int flush);

    [LibraryImport(NativeLibraries.Zlib)]
    private static partial int inflateEnd(Stream* stream);

    /// <summary>z_stream of a 64-bit Linux: the library compares the length with its own.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Stream
    {
        public byte* NextIn;
        public uint AvailableIn;
        public nuint TotalIn;
        public byte* NextOut;
        public uint AvailableOut;
        public nuint TotalOut;
        public byte* Message;
        public void* State;
        public void* Allocate;
        public void* Free;
        public void* Opaque;
        public int DataType;
        public nuint Checksum;
        public nuint Reserved;
    }

    /// <summary>The streams of a thread, in native memory: the library keeps pointers to them.</summary>
    private sealed class Streams
    {
        private Stream* _compression;
        private Stream* _decompression;
        private int _level;

        ~Streams()
        {
            if (_compression is not null) _ = deflateEnd(_compression);
            if (_decompression is not null) _ = inflateEnd(_decompression);
            NativeMemory.Free(_compression);
            NativeMemory.Free(_decompression);
        }

        public Stream* ForCompression(int level)
        {
            if (_compression is not null && _level == level)
            {
                Check(deflateReset(_compression));
                return _compression;
            }
            if (_compression is not null) _ = deflateEnd(_compression);
            NativeMemory.Free(_compression);
            _compression = (Stream*)NativeMemory.AllocZeroed((nuint)sizeof(Stream));
            _level = level;
            fixed (byte* version = Version) Check(deflateInit_(_compression, level, version, sizeof(Stream)));
            return _compression;
        }

        public Stream* ForDecompression()
        {
            if (_decompression is not null)
            {
                Check(inflateReset(_decompression));
                return _decompression;
            }
            _decompression = (Stream*)NativeMemory.AllocZeroed((nuint)sizeof(Stream));
            fixed (byte* version = Version) Check(inflateInit_(_decompression, version, sizeof(Stream)));
            return _decompression;
        }

        /// <summary>Every release since 1995 has a 1 here; the library looks at nothing else.</summary>
        private static ReadOnlySpan<byte> Version => "1\0"u8;

        private static void Check(int result)
        {
            if (result != Ok) throw new SnapshotException(ErrorCode.Failed, $"zlib has no stream: error {result}") { IsTransient = true };
        }
    }
}
