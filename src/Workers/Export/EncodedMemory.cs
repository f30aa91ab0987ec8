using System.Buffers;
using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>A chunk of guest memory as records of a saved state. Owns a rented buffer.</summary>
internal sealed class EncodedMemory : IDisposable
{
    private readonly byte[] _records;
    private readonly int _length;

    private EncodedMemory(byte[] records, int length, long memoryOctets)
    {
        _records = records;
        _length = length;
        MemoryOctets = memoryOctets;
    }

    /// <summary>The records.</summary>
    public ReadOnlySpan<byte> Records => _records.AsSpan(0, _length);

    /// <summary>Octets of guest memory in them.</summary>
    public long MemoryOctets { get; }

    /// <summary>Encodes a chunk and gives it back.</summary>
    public static EncodedMemory Of(PageChunk chunk)
    {
        using (chunk)
        {
            var records = ArrayPool<byte>.Shared.Rent(Paging.PagesPerSection * SavedStateBlocks.MaxRecord);
            var (end, pages) = (0, 0);
            foreach (var page in ChunkPages.Of(chunk))
            {
                end += page.IsZero ? SavedStateBlocks.EncodeZeros(records.AsSpan(end)) : SavedStateBlocks.Encode(page.Octets, records.AsSpan(end));
                pages++;
            }
            return new EncodedMemory(records, end, (long)pages * Paging.PageSize);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_records);
}
