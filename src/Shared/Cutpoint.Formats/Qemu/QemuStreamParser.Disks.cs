namespace Cutpoint.Formats.Qemu;

/// <content>What disks send beside the memory: QEMU migration stream, section 3.</content>
public sealed partial class QemuStreamParser
{
    /// <summary>The most octets of one piece of a dirty bitmap. QEMU sends 1 KiB.</summary>
    private const int BitmapPieceLimit = 1 << 20;

    private const int DiskPieceLength = 1 << 20;
    private const int SectorBits = 9;

    private string _node = "";
    private string _bitmap = "";
    private string _disk = "";
    private long _diskOffset;
    private int _diskRemaining;

    private bool StepDirtyBitmap(ref WireCursor cursor)
    {
        const uint end = 0x01, zeroes = 0x02, bitmapName = 0x04, nodeName = 0x08, start = 0x10, complete = 0x20, bits = 0x40, more = 0x80;
        if (!cursor.TryRead8(out var first)) return false;
        uint flags = first;
        if ((flags & more) != 0)
        {
            if (!cursor.TryRead8(out var second)) return false;
            flags = second;
            if ((flags & more) != 0)
            {
                if (!cursor.TryRead16(out var last)) return false;
                flags = last;
            }
        }

        if ((flags & ~(end | zeroes | bitmapName | nodeName | start | complete | bits)) != 0)
            throw Malformed($"dirty bitmap piece with flags {flags:x}");
        var node = _node;
        var bitmap = _bitmap;
        if ((flags & nodeName) != 0)
        {
            if (!cursor.TryReadName(out var name)) return false;
            node = Text(name);
        }

        if ((flags & bitmapName) != 0)
        {
            if (!cursor.TryReadName(out var name)) return false;
            bitmap = Text(name);
        }

        uint? granularity = null;
        byte properties = 0;
        if ((flags & start) != 0)
        {
            if (!cursor.TryRead32(out var octets) || !cursor.TryRead8(out properties)) return false;
            granularity = octets;
        }

        ulong sector = 0;
        uint sectors = 0;
        ReadOnlySpan<byte> data = default;
        if ((flags & bits) != 0)
        {
            if (!cursor.TryRead64(out sector) || !cursor.TryRead32(out sectors)) return false;
            if ((flags & zeroes) == 0)
            {
                if (!cursor.TryRead64(out var length)) return false;
                if (length > BitmapPieceLimit) throw Malformed($"dirty bitmap piece of {length} octets");
                if (!cursor.TryRead((int)length, out data)) return false;
            }
        }

        (_node, _bitmap) = (node, bitmap);
        if ((flags & (start | complete | bits)) != 0)
        {
            _visitor.OnDirtyBitmap(new DirtyBitmapChunk
            {
                Node = node,
                Bitmap = bitmap,
                Granularity = granularity,
                IsEnabled = (properties & 1) != 0,
                IsPersistent = (properties & 2) != 0,
                IsComplete = (flags & complete) != 0,
                FirstSector = sector,
                SectorCount = sectors,
                Bits = data,
            });
        }

        if ((flags & end) != 0) _state = State.Footer;
        return true;
    }

    private bool StepDisk(ref WireCursor cursor)
    {
        const ulong data = 0x01, end = 0x02, progress = 0x04, zero = 0x08;
        if (!cursor.TryRead64(out var word)) return false;
        var sector = word >> SectorBits;
        switch (word & ((1 << SectorBits) - 1))
        {
            case data or data | zero:
                if (!cursor.TryReadName(out var name)) return false;
                if (sector > long.MaxValue >> SectorBits) throw Malformed($"disk data at sector {sector}");
                _disk = Text(name);
                _diskOffset = (long)sector << SectorBits;
                _diskRemaining = DiskPieceLength;
                if ((word & zero) == 0) _state = State.DiskData;
                else _visitor.OnDiskData(_disk, _diskOffset, default);
                return true;
            case progress:
                return true;
            case end:
                _state = State.Footer;
                return true;
            default:
                throw Malformed($"disk record with flags {word & ((1 << SectorBits) - 1):x3}");
        }
    }

    private bool StepDiskData(ref WireCursor cursor)
    {
        cursor.TryRead(Math.Min(cursor.Remaining, _diskRemaining), out var data);
        _visitor.OnDiskData(_disk, _diskOffset, data);
        _diskOffset += data.Length;
        _diskRemaining -= data.Length;
        if (_diskRemaining == 0) _state = State.Disk;
        return true;
    }
}
