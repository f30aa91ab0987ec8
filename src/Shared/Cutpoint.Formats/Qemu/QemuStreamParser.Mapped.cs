namespace Cutpoint.Formats.Qemu;

/// <content>
/// mapped-ram files: QEMU migration stream, section 6. The block list is interleaved with bitmaps and page areas; the bitmaps are kept,
/// the page areas passed over,
/// and the pages read by their places once the list is complete.
/// </content>
public sealed partial class QemuStreamParser
{
    private readonly List<OctetBuffer> _mappedBitmaps = [];
    private bool _canSeek;
    private long? _mappedShift;
    private int _bitmapRemaining;
    private long _bitmapTotal;
    private long _skip;

    /// <summary>True when the block list is complete and the pages of a mapped-ram file are to be read before the stream goes on.</summary>
    private bool HasMappedPages { get; set; }

    private readonly record struct MappedHeader(ulong BitmapOffset, ulong PagesOffset);

    private bool TryReadMappedHeader(ref WireCursor cursor, out MappedHeader header)
    {
        header = default;
        if (!cursor.TryRead32(out var version) || !cursor.TryRead64(out var pageSize) ||
            !cursor.TryRead64(out var bitmapOffset) || !cursor.TryRead64(out var pagesOffset)) return false;
        if (version != QemuWire.MappedRam.HeaderVersion)
            throw Refused($"mapped-ram of version {version}, known is {QemuWire.MappedRam.HeaderVersion}", "use QEMU 9.0 to 10.x");
        if (pageSize != (ulong)_pageSize) throw Malformed($"mapped-ram pages of {pageSize} octets");
        header = new MappedHeader(bitmapOffset, pagesOffset);
        return true;
    }

    private QemuRamBlock BeginMappedBlock(QemuRamBlock block, MappedHeader header, long position)
    {
        var words = (block.Length / _pageSize + 63) / 64;
        var bitmapLength = words * sizeof(ulong);
        _bitmapTotal += bitmapLength;
        if (_bitmapTotal > MappedBitmapLimit)
            throw Malformed($"more than {MappedBitmapLimit} octets of page bitmaps", "guests of more than 8 TiB are not supported");

        // Offsets count from the start of the file, the stream may stand at some place inside it.
        _mappedShift ??= (long)header.BitmapOffset - position;
        if (header.BitmapOffset != (ulong)(position + _mappedShift.Value) || _mappedShift < 0)
            throw Malformed($"the bitmap of block '{block.Name}' is said to be at {header.BitmapOffset:x}");
        var least = header.BitmapOffset + (ulong)bitmapLength;
        if (header.PagesOffset < least || header.PagesOffset > (ulong)MemoryLimit)
            throw Malformed($"the pages of block '{block.Name}' are said to be at {header.PagesOffset:x}");

        var pages = (long)header.PagesOffset - _mappedShift.Value;
        _mappedBitmaps.Add(new OctetBuffer());
        _bitmapRemaining = (int)bitmapLength;
        _skip = pages + block.Length - (position + bitmapLength);
        _state = State.MappedBitmap;
        return block with { PagesOffset = pages };
    }

    private bool StepMappedBitmap(ref WireCursor cursor)
    {
        cursor.TryRead(Math.Min(cursor.Remaining, _bitmapRemaining), out var bits);
        _mappedBitmaps[^1].Append(bits);
        _bitmapRemaining -= bits.Length;
        if (_bitmapRemaining == 0) _state = State.MappedPages;
        return true;
    }

    private bool StepMappedPages(ref WireCursor cursor)
    {
        cursor.TryRead((int)Math.Min(cursor.Remaining, _skip), out var passed);
        PassOver(passed.Length);
        return true;
    }

    private void PassOver(long count)
    {
        _skip -= count;
        if (_skip == 0) BeginBlock();
    }
}
