using System.Buffers.Binary;
using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <content>RAM: QEMU migration stream, sections 2 and 6.</content>
public sealed partial class QemuStreamParser
{
    private const int BlockLimit = 4096;
    private const long MemoryLimit = 1L << 52;

    private readonly List<QemuRamBlock> _blocks = [];
    private readonly List<byte[]> _blockNames = [];
    private byte[] _page = [];
    private int _block = -1;
    private long _blockLength;
    private long _unlisted;
    private bool _hasBlocks;

    private bool StepMemory(ReadOnlySpan<byte> input, out int used)
    {
        used = 0;
        var pageSize = _pageSize;
        var flagMask = (ulong)pageSize - 1;
        while (true)
        {
            // Nearly every record of a stream is one of these two.
            var rest = input[used..];
            if (rest.Length > sizeof(ulong))
            {
                var word = BinaryPrimitives.ReadUInt64BigEndian(rest);
                var flags = word & flagMask;
                if (flags == (RamFlag.Page | RamFlag.Continue) && rest.Length >= sizeof(ulong) + pageSize && word < (ulong)_blockLength)
                {
                    _visitor.OnPage(_block, (long)(word & ~flagMask), rest.Slice(sizeof(ulong), pageSize));
                    used += sizeof(ulong) + pageSize;
                    if (_visitor.IsFull) return true;
                    continue;
                }

                if (flags == (RamFlag.Zero | RamFlag.Continue) && rest[sizeof(ulong)] == 0 && word < (ulong)_blockLength)
                {
                    _visitor.OnZeroPage(_block, (long)(word & ~flagMask));
                    used += sizeof(ulong) + 1;
                    if (_visitor.IsFull) return true;
                    continue;
                }
            }

            var cursor = new WireCursor(rest);
            _recordStart += used;
            var complete = StepMemoryRecord(ref cursor);
            _recordStart -= used;
            _needed = cursor.Needed;
            if (!complete) return used > 0;
            used += cursor.Position;
            if (_state != State.Memory || _visitor.IsFull) return true;
        }
    }

    private bool StepMemoryRecord(ref WireCursor cursor)
    {
        if (!cursor.TryRead64(out var word)) return false;
        var flags = word & ((ulong)_pageSize - 1);
        var address = word - flags;
        var kind = flags & ~RamFlag.Continue;
        switch (kind)
        {
            case RamFlag.MemorySize:
                BeginBlocks(address);
                return true;
            case RamFlag.End:
                _state = State.Footer;
                return true;
            case RamFlag.Page or RamFlag.Zero or RamFlag.Xbzrle or RamFlag.CompressedPage:
                break;
            case RamFlag.MultifdFlush:
                throw Refused("the pages are on other channels (multifd)", "turn the capability multifd off, or use it with mapped-ram");
            case RamFlag.Hook:
                throw Refused("the pages are moved by RDMA", "migrate over a socket, a pipe or a file");
            default:
                throw Malformed($"RAM record with flags {flags:x3}");
        }

        if (!_hasBlocks) throw Malformed("a page in front of the block list");
        if (_configuration!.IsMappedRam) throw Malformed("a page record in a mapped-ram file");
        var block = _block;
        if ((flags & RamFlag.Continue) == 0)
        {
            if (!cursor.TryReadName(out var name)) return false;
            block = FindBlock(name);
        }
        else if (block < 0)
        {
            throw Malformed("a page of the block before, but there was none");
        }

        var length = _blocks[block].Length;
        if (address >= (ulong)length) throw Malformed($"page at {address:x} of block '{_blocks[block].Name}', which has {length:x} octets");
        if (!StepPage(ref cursor, kind, block, (long)address)) return false;
        _block = block;
        _blockLength = length;
        return true;
    }

    private bool StepPage(ref WireCursor cursor, ulong kind, int block, long offset)
    {
        switch (kind)
        {
            case RamFlag.Page:
                if (!cursor.TryRead(_pageSize, out var page)) return false;
                _visitor.OnPage(block, offset, page);
                return true;
            case RamFlag.Zero:
                if (!cursor.TryRead8(out var fill)) return false;
                if (fill == 0)
                {
                    _visitor.OnZeroPage(block, offset);
                }
                else
                {
                    ScratchPage().Fill(fill);
                    _visitor.OnPage(block, offset, _page);
                }

                return true;
            case RamFlag.Xbzrle:
                if (!cursor.TryRead8(out var encoding) || !cursor.TryRead16(out var editLength)) return false;
                if (encoding != XbzrleEncoding || editLength > _pageSize) throw Malformed($"XBZRLE page of encoding {encoding} and {editLength} octets");
                if (!cursor.TryRead(editLength, out var edits)) return false;
                if (!_visitor.TryReadPage(block, offset, ScratchPage()))
                    throw Refused("the stream has XBZRLE pages, which need the pages before them", "turn the capability xbzrle off");
                if (!XbzrleEdits.TryApply(edits, _page)) throw Malformed("XBZRLE page whose edits do not fit the page");
                _visitor.OnPage(block, offset, _page);
                return true;
            default:
                if (!cursor.TryRead32(out var compressedLength)) return false;
                if (compressedLength > CompressedPage.LongestFor(_pageSize))
                    throw Malformed($"a compressed page of {compressedLength} octets");
                if (!cursor.TryRead((int)compressedLength, out var compressed)) return false;
                if (!CompressedPage.TryDecompress(compressed, ScratchPage())) throw Malformed("a compressed page that is not one");
                _visitor.OnPage(block, offset, _page);
                return true;
        }
    }

    private void BeginBlocks(ulong total)
    {
        if (_hasBlocks) throw Malformed("a second block list");
        if (total > MemoryLimit) throw Malformed($"{total} octets of memory");
        if (_configuration!.IsMappedRam && !_canSeek)
            throw Refused("a mapped-ram file is not in stream order", "read it from a file, not from a pipe or socket");
        _hasBlocks = true;
        _unlisted = (long)total;
        BeginBlock();
    }

    private void BeginBlock()
    {
        _state = State.Block;
        if (_unlisted > 0) return;

        _visitor.OnBlocks(_blocks.AsReadOnly());
        HasMappedPages = _configuration!.IsMappedRam;
        _state = State.Memory;
    }

    private bool StepBlock(ref WireCursor cursor)
    {
        if (!cursor.TryReadName(out var name) || !cursor.TryRead64(out var length)) return false;
        var address = 0ul;
        if (_configuration!.IgnoresShared && !cursor.TryRead64(out address)) return false;
        var mapped = default(MappedHeader);
        if (_configuration.IsMappedRam && !TryReadMappedHeader(ref cursor, out mapped)) return false;

        if (length == 0 || length % (ulong)_pageSize != 0 || length > (ulong)_unlisted)
            throw Malformed($"RAM block of {length} octets");
        if (_blocks.Count == BlockLimit) throw Malformed($"more than {BlockLimit} RAM blocks");
        foreach (var other in _blockNames)
        {
            if (name.SequenceEqual(other)) throw Malformed("two RAM blocks of one name");
        }

        var block = new QemuRamBlock(Text(name), (long)length) { Address = _configuration.IgnoresShared ? address : null };
        if (_configuration.IsMappedRam) block = BeginMappedBlock(block, mapped, _recordStart + cursor.Position);
        _unlisted -= block.Length;
        _blocks.Add(block);
        _blockNames.Add(name.ToArray());
        if (!_configuration.IsMappedRam) BeginBlock();
        return true;
    }

    private int FindBlock(ReadOnlySpan<byte> name)
    {
        for (var i = 0; i < _blockNames.Count; i++)
        {
            if (name.SequenceEqual(_blockNames[i])) return i;
        }

        throw Malformed("a page of an unknown RAM block");
    }

    private Span<byte> ScratchPage() => _page.Length == _pageSize ? _page : _page = new byte[_pageSize];
}
