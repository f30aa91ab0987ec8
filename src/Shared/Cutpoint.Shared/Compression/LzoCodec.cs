using System.Runtime.InteropServices;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>LZO1X-1 blocks, made by the system's liblzo2. What kdump files call lzo.</summary>
public sealed unsafe partial class LzoCodec : IBlockCodec
{
    /// <summary>LZO1X_1_MEM_COMPRESS: 16 Ki pointers.</summary>
    private const int WorkLength = 16384 * 8;

    private const int Ok = 0;

    [ThreadStatic]
    private static Scratch? _scratch;

    static LzoCodec()
    {
        NativeLibraries.Register();
        // The library checks that it was compiled with the sizes its caller believes in.
        var result = __lzo_init_v2(
            1, sizeof(short), sizeof(int), sizeof(long), sizeof(uint), sizeof(ulong), sizeof(nint), sizeof(nint), sizeof(nint), -1);
        if (result != Ok)
            throw new SnapshotException(ErrorCode.Incompatible, $"liblzo2 refuses to start: error {result}", "reinstall liblzo2-2");
    }

    private LzoCodec()
    {
    }

    /// <summary>The only instance.</summary>
    public static LzoCodec Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "lzo";

    /// <inheritdoc/>
    public int MaxCompressedLength(int length) => checked(length + (length / 16) + 64 + 3);

    /// <inheritdoc/>
    public bool TryCompress(ReadOnlySpan<byte> source, Span<byte> destination, out int written)
    {
        var bound = MaxCompressedLength(source.Length);
        var scratch = _scratch ??= new Scratch();
        fixed (byte* from = source, to = destination)
        {
            // The library takes no capacity, so it writes into the scratch whenever the destination could be too short.
            var target = destination.Length >= bound ? to : scratch.Block(bound);
            nuint length = 0;
            var result = lzo1x_1_compress(from, (nuint)source.Length, target, &length, scratch.Work);
            if (result != Ok) throw new SnapshotException(ErrorCode.Failed, $"lzo cannot compress: error {result}");
            written = (int)length;
            if (written > destination.Length) return false;
            if (target != to) new ReadOnlySpan<byte>(target, written).CopyTo(destination);
        }
        return true;
    }

    /// <inheritdoc/>
    public void Decompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        var length = (nuint)destination.Length;
        int result;
        fixed (byte* from = source, to = destination)
            result = lzo1x_decompress_safe(from, (nuint)source.Length, to, &length, null);
        if (result != Ok) throw CodecError.Damaged(Name, $"error {result}");
        if (length != (nuint)destination.Length) throw CodecError.WrongLength(Name, (long)length, destination.Length);
    }

    [LibraryImport(NativeLibraries.Lzo)]
    private static partial int __lzo_init_v2(uint version, int s1, int s2, int s3, int s4, int s5, int s6, int s7, int s8, int s9);

    [LibraryImport(NativeLibraries.Lzo)]
    private static partial int lzo1x_1_compress(byte* from, nuint length, byte* to, nuint* written, void* work);

    [LibraryImport(NativeLibraries.Lzo)]
    private static partial int lzo1x_decompress_safe(byte* from, nuint length, byte* to, nuint* capacity, void* work);

    private sealed class Scratch
    {
        public readonly void* Work = NativeMemory.Alloc(WorkLength);
        private void* _block;
        private int _length;

        ~Scratch()
        {
            NativeMemory.Free(Work);
            NativeMemory.Free(_block);
        }

        public byte* Block(int length)
        {
            if (length > _length)
            {
                _block = NativeMemory.Realloc(_block, (nuint)length);
                _length = length;
            }
            return (byte*)_block;
        }
    }
}
