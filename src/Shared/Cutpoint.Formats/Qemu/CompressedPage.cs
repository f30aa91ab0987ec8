using System.IO.Compression;

namespace Cutpoint.Formats.Qemu;

/// <summary>Pages of the capability "compress" (QEMU 9.0 and older): one zlib stream each.</summary>
internal static class CompressedPage
{
    /// <summary>The longest zlib makes of a page: zlib's own bound.</summary>
    public static int LongestFor(int pageSize) => pageSize + (pageSize >> 12) + (pageSize >> 14) + 13;

    /// <summary>
    /// Decompresses one page. Costs a decompressor, since the framework's cannot be reused; the capability is off by default and gone in
    /// QEMU 9.1.
    /// </summary>
    public static unsafe bool TryDecompress(ReadOnlySpan<byte> compressed, Span<byte> page)
    {
        if (compressed.IsEmpty) return false;
        fixed (byte* pointer = compressed)
        {
            using var source = new UnmanagedMemoryStream(pointer, compressed.Length);
            using var zlib = new ZLibStream(source, CompressionMode.Decompress);
            try
            {
                return zlib.ReadAtLeast(page, page.Length, throwOnEndOfStream: false) == page.Length && zlib.ReadByte() < 0;
            }
            catch (Exception e) when (e is InvalidDataException or IOException)
            {
                // The framework tells a stream that wants a dictionary by an exception of input and output; octets in memory cause no other.
                return false;
            }
        }
    }
}
