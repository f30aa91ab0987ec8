using System.Buffers.Binary;

namespace Cutpoint.Acceptance.Tests.Dumps;

/// <summary>The PT_LOADs of a 64-bit core as what they say: which virtual pages are which physical ones. Read without any code of the product.</summary>
internal static class MappedPages
{
    private const int Load = 1, PageSize = 4096;

    /// <summary>Reads a core.</summary>
    /// <param name="path">The core.</param>
    /// <param name="memory">Physical memory there is; pages elsewhere are left out.</param>
    /// <param name="correct">Puts a virtual address right.</param>
    public static SortedDictionary<ulong, ulong> Read(string path, IReadOnlyList<(ulong Address, ulong Length)> memory, Func<ulong, ulong> correct)
    {
        using var file = File.OpenRead(path);
        Span<byte> header = stackalloc byte[64];
        file.ReadExactly(header);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        file.Position = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        SortedDictionary<ulong, ulong> pages = [];
        Span<byte> entry = stackalloc byte[56];
        for (var i = 0; i < count; i++)
        {
            file.ReadExactly(entry);
            if (BinaryPrimitives.ReadInt32LittleEndian(entry) != Load) continue;
            var (address, physical, length) = (
                BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[24..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[40..]));
            for (ulong offset = 0; offset < length; offset += PageSize)
            {
                var at = physical + offset;
                if (memory.Any(range => at >= range.Address && at - range.Address < range.Length)) pages[correct(address + offset)] = at;
            }
        }
        return pages;
    }
}
