using Cutpoint.Formats.Elf;

namespace Cutpoint.Formats.Kdump;

/// <summary>
/// Where everything is in a kdump file. Immutable.
/// <code>
/// block 0  header
/// block 1  sub header, notes
/// then     bitmap 1 (frames there are), bitmap 2 (frames in the file: the same), each whole blocks; bit n of octet m stands for frame 8m + n
/// then     one descriptor of 24 octets for each frame in the file: place u64, length u32, method u32, u64 0
/// then     one zero page, which all zero frames share; pages, back to back
/// </code>
/// </summary>
public sealed class KdumpLayout
{
    internal const int DescriptorLength = 24;

    private readonly List<(ulong First, ulong End)> _runs = [];

    /// <summary>Lays a file out.</summary>
    /// <param name="is64Bit">Width of the headers.</param>
    /// <param name="blockSize">Octets of a page: a power of two from 4096 to 65536.</param>
    /// <param name="notesLength">Octets of the notes.</param>
    /// <param name="memory">The memory, ascending, without overlap. A page that is there in part is in the file whole.</param>
    public KdumpLayout(bool is64Bit, int blockSize, int notesLength, IReadOnlyList<DumpRange> memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        BlockSize = blockSize;
        foreach (var range in memory)
        {
            var (first, end) = (range.Address / (ulong)blockSize, (range.Last / (ulong)blockSize) + 1);
            if (_runs.Count > 0 && first <= _runs[^1].End) _runs[^1] = (_runs[^1].First, end);
            else _runs.Add((first, end));
        }
        FrameCount = _runs.Count == 0 ? 0 : _runs[^1].End;
        PageCount = _runs.Sum(run => (long)(run.End - run.First));
        NotesOffset = blockSize + KdumpHeader.Lengths(is64Bit).SubHeader;
        SubHeaderBlocks = (int)Blocks(NotesOffset - blockSize + notesLength);
        BitmapLength = Blocks((long)((FrameCount + 7) / 8)) * blockSize;
        BitmapOffset = (1 + SubHeaderBlocks) * (long)blockSize;
        DescriptorsOffset = BitmapOffset + (2 * BitmapLength);
        PagesOffset = DescriptorsOffset + (PageCount * DescriptorLength);
    }

    /// <summary>Octets of a page.</summary>
    public int BlockSize { get; }

    /// <summary>The frame after the last one.</summary>
    public ulong FrameCount { get; }

    /// <summary>Frames in the file.</summary>
    public long PageCount { get; }

    /// <summary>Blocks of the sub header with the notes.</summary>
    public int SubHeaderBlocks { get; }

    /// <summary>Where the notes begin.</summary>
    public long NotesOffset { get; }

    /// <summary>Where the first bitmap begins.</summary>
    public long BitmapOffset { get; }

    /// <summary>Octets of one bitmap.</summary>
    public long BitmapLength { get; }

    /// <summary>Where the descriptors begin.</summary>
    public long DescriptorsOffset { get; }

    /// <summary>Where the zero page is.</summary>
    public long PagesOffset { get; }

    /// <summary>Fills a piece of a bitmap.</summary>
    /// <param name="offset">Octets into the bitmap.</param>
    /// <param name="piece">The piece.</param>
    public void FillBitmap(long offset, Span<byte> piece)
    {
        piece.Clear();
        var (start, end) = ((ulong)offset * 8, (ulong)(offset + piece.Length) * 8);
        foreach (var run in _runs)
        {
            var (first, last) = (Math.Max(run.First, start), Math.Min(run.End, end));
            if (first < last) SetBits(piece, (int)(first - start), (int)(last - start));
        }
    }

    private static void SetBits(Span<byte> octets, int first, int end)
    {
        var (from, to) = (first / 8, (end - 1) / 8);
        var (head, tail) = ((byte)(0xff << (first % 8)), (byte)(0xff >> (7 - ((end - 1) % 8))));
        if (from == to)
        {
            octets[from] |= (byte)(head & tail);
            return;
        }
        octets[from] |= head;
        octets[(from + 1)..to].Fill(0xff);
        octets[to] |= tail;
    }

    private long Blocks(long octets) => (octets + BlockSize - 1) / BlockSize;
}
