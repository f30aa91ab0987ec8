using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// The data of one unit of versions 1.1 and 1.2: an octet that names the compressor, then either octets as they are or blocks of LZF. The unit's header
/// says where it ends; what is not read is passed over.
/// </summary>
internal sealed class Version1UnitReader(SavedStateBuffer input)
{
    private const int Stored = 2;
    private const int Compressed = 5;
    private const int BlockHeaderSize = 10;
    private const ushort BlockMagic = 0x565A;
    private const int MaxCompressedBlock = 16374;

    private readonly byte[] _block = new byte[1 << 15];
    private long _end;
    private int _type;
    private int _blockAt;
    private int _blockEnd;

    /// <summary>A unit's data begin here and end there.</summary>
    public void Begin(long end)
    {
        _end = end;
        (_type, _blockAt, _blockEnd) = (0, 0, 0);
    }

    /// <inheritdoc cref="RecordReader.TryRead"/>
    public bool TryRead(Span<byte> data, out int count)
    {
        count = 0;
        while (true)
        {
            if (_blockAt < _blockEnd)
            {
                count = Math.Min(data.Length, _blockEnd - _blockAt);
                _block.AsSpan(_blockAt, count).CopyTo(data);
                _blockAt += count;
                return true;
            }
            var left = _end - input.Offset;
            if (left == 0 || data.IsEmpty) return true;
            if (_type == 0)
            {
                if (input.Window.IsEmpty) return Missing();
                _type = input.Window[0];
                if (_type is not (Stored or Compressed)) throw Wrong($"a unit compressed in way {_type}, which nothing ever wrote");
                input.Take(1);
                continue;
            }
            if (_type == Stored)
            {
                if (input.Window.IsEmpty) return Missing();
                count = (int)Math.Min(left, Math.Min(data.Length, input.Window.Length));
                input.Window[..count].CopyTo(data);
                input.Take(count);
                return true;
            }
            if (!TryBlock(left)) return false;
        }
    }

    /// <inheritdoc cref="RecordReader.TrySkip"/>
    public bool TrySkip()
    {
        while (input.Offset < _end)
        {
            if (input.Window.IsEmpty) return Missing();
            input.Take((int)Math.Min(_end - input.Offset, input.Window.Length));
        }
        return true;
    }

    private bool TryBlock(long left)
    {
        if (left < BlockHeaderSize) throw Wrong("a block behind the unit's end");
        if (input.Window.Length < BlockHeaderSize) return Missing();
        var size = BinaryPrimitives.ReadUInt16LittleEndian(input.Window[2..]);
        var plain = BinaryPrimitives.ReadUInt16LittleEndian(input.Window[8..]);
        if (BinaryPrimitives.ReadUInt16LittleEndian(input.Window) != BlockMagic) throw Wrong("no block begins here");
        if (size is 0 or > MaxCompressedBlock || BlockHeaderSize + size > left) throw Wrong($"a block of {size} octets");
        if (plain == 0 || plain > _block.Length) throw Wrong($"a block said to be {plain} octets");
        if (input.Window.Length < BlockHeaderSize + size) return Missing();
        if (Lzf.Decompress(input.Window.Slice(BlockHeaderSize, size), _block.AsSpan(0, plain)) != plain) throw Wrong($"a block that is not {plain} octets");
        (_blockAt, _blockEnd) = (0, plain);
        input.Take(BlockHeaderSize + size);
        return true;
    }

    private bool Missing() => input.IsAtEnd
        ? throw new SavedStateException(SavedStateStatus.EndOfFile, input.Offset, "the input ends inside of a unit")
        : false;

    private SavedStateException Wrong(string what) => new(SavedStateStatus.IntegrityDecompression, input.Offset, what);
}
