using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <content>What disks send beside the memory: QEMU migration stream, section 3.</content>
public sealed partial class QemuStreamParser
{
    /// <summary>The most octets of one piece of a dirty bitmap. QEMU sends 1 KiB.</summary>
    private const int BitmapPieceLimit = 1 << 20;


    private string _node = "";
    private string _bitmap = "";
    private string _disk = "";
    private long _diskOffset;
    private int _diskRemaining;

    private bool StepDirtyBitmap(ref WireCursor cursor)
    {
        if (!cursor.TryRead8(out var first)) return false;
        uint flags = first;
        if ((flags & BitmapFlag.More) != 0)
        {
            if (!cursor.TryRead8(out var second)) return false;
            flags = second;
            if ((flags & BitmapFlag.More) != 0)
            {
                if (!cursor.TryRead16(out var last)) return false;
                flags = last;
            }
        }

        if ((flags & ~BitmapFlag.All) != 0)
            throw Malformed($"dirty bitmap piece with flags {flags:x}");
        var node = _node;
        var bitmap = _bitmap;
        if ((flags & BitmapFlag.NodeName) != 0)
        {
            if (!cursor.TryReadName(out var name)) return false;
            node = Text(name);
        }

        if ((flags & BitmapFlag.BitmapName) != 0)
        {
            if (!cursor.TryReadName(out var name)) return false;
            bitmap = Text(name);
        }

        uint? granularity = null;
        byte properties = 0;
        if ((flags & BitmapFlag.Start) != 0)
        {
            if (!cursor.TryRead32(out var octets) || !cursor.TryRead8(out properties)) return false;
            granularity = octets;
        }

        ulong sector = 0;
        uint sectors = 0;
        ReadOnlySpan<byte> data = default;
        if ((flags & BitmapFlag.Bits) != 0)
        {
            if (!cursor.TryRead64(out sector) || !cursor.TryRead32(out sectors)) return false;
            if ((flags & BitmapFlag.Zeroes) == 0)
            {
                if (!cursor.TryRead64(out var length)) return false;
                if (length > BitmapPieceLimit) throw Malformed($"dirty bitmap piece of {length} octets");
                if (!cursor.TryRead((int)length, out data)) return false;
            }
        }

        (_node, _bitmap) = (node, bitmap);
        if ((flags & (BitmapFlag.Start | BitmapFlag.Complete | BitmapFlag.Bits)) != 0)
        {
            _visitor.OnDirtyBitmap(new DirtyBitmapChunk
            {
                Node = node,
                Bitmap = bitmap,
                Granularity = granularity,
                IsEnabled = (properties & BitmapFlag.Enabled) != 0,
                IsPersistent = (properties & BitmapFlag.Persistent) != 0,
                IsComplete = (flags & BitmapFlag.Complete) != 0,
                FirstSector = sector,
                SectorCount = sectors,
                Bits = data,
            });
        }

        if ((flags & BitmapFlag.End) != 0) _state = State.Footer;
        return true;
    }

    private bool StepDisk(ref WireCursor cursor)
    {
        if (!cursor.TryRead64(out var word)) return false;
        var sector = word >> DiskFlag.SectorBits;
        switch (word & ((1 << DiskFlag.SectorBits) - 1))
        {
            case DiskFlag.Data or DiskFlag.Data | DiskFlag.Zero:
                if (!cursor.TryReadName(out var name)) return false;
                if (sector > long.MaxValue >> DiskFlag.SectorBits) throw Malformed($"disk data at sector {sector}");
                _disk = Text(name);
                _diskOffset = (long)sector << DiskFlag.SectorBits;
                _diskRemaining = DiskFlag.PieceLength;
                if ((word & DiskFlag.Zero) == 0) _state = State.DiskData;
                else _visitor.OnDiskData(_disk, _diskOffset, default);
                return true;
            case DiskFlag.Progress:
                return true;
            case DiskFlag.End:
                _state = State.Footer;
                return true;
            default:
                throw Malformed($"disk record with flags {word & ((1 << DiskFlag.SectorBits) - 1):x3}");
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
