using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// The data of one unit: records of version 2.0, taken from the buffer as far as it goes. A method that returns false needs more input and can be
/// called again when there is more. Nothing is handed out of a compressed record that is not whole and right.
/// </summary>
internal sealed class RecordReader(SavedStateBuffer input)
{
    private const int TerminatorSize = 16;
    private const int MaxCompressed = SavedStateHeader.BlockSize + 2;

    private readonly byte[] _block = new byte[SavedStateHeader.BlockSize];
    private long _start;
    private int _blockAt;
    private int _blockEnd;
    private int _left;
    private bool _ended;

    /// <summary>A unit's data begin here.</summary>
    public void Begin()
    {
        _start = input.Offset;
        (_blockAt, _blockEnd, _left, _ended) = (0, 0, 0, false);
    }

    /// <summary>Reads data; a count of 0 is the unit's end.</summary>
    public bool TryRead(Span<byte> data, out int count)
    {
        count = 0;
        if (data.IsEmpty) return true;
        while (true)
        {
            if (_blockAt < _blockEnd)
            {
                count = Math.Min(data.Length, _blockEnd - _blockAt);
                _block.AsSpan(_blockAt, count).CopyTo(data);
                _blockAt += count;
                return true;
            }
            if (_left > 0)
            {
                if (input.Window.IsEmpty) return Missing();
                count = Math.Min(Math.Min(data.Length, _left), input.Window.Length);
                input.Window[..count].CopyTo(data);
                input.Take(count);
                _left -= count;
                return true;
            }
            if (_ended) return true;
            if (!TryNextRecord()) return false;
        }
    }

    /// <summary>The unit must have been read exactly: only its terminator may be left.</summary>
    public bool TryEnd()
    {
        if (_ended) return true;
        if (_blockAt < _blockEnd || _left > 0) throw LeftOver();
        if (RecordHeader.TryParse(input.Window, input.Offset) is not { } header) return Missing();
        return header.Type == RecordType.Terminator ? TryTerminate(header) : throw LeftOver();
    }

    /// <summary>Passes over what is left, records of types nobody reads included, up to and with the terminator.</summary>
    public bool TrySkip()
    {
        _blockAt = _blockEnd;
        while (!_ended)
        {
            if (_left > 0)
            {
                if (input.Window.IsEmpty) return Missing();
                var count = Math.Min(_left, input.Window.Length);
                input.Take(count);
                _left -= count;
                continue;
            }
            if (RecordHeader.TryParse(input.Window, input.Offset) is not { } header) return Missing();
            if (header.Type == RecordType.Terminator)
            {
                if (!TryTerminate(header)) return false;
                continue;
            }
            input.Take(header.Size);
            _left = header.Length;
        }
        return true;
    }

    private bool TryNextRecord()
    {
        if (RecordHeader.TryParse(input.Window, input.Offset) is not { } header) return Missing();
        switch (header.Type)
        {
            case RecordType.Terminator:
                return TryTerminate(header);
            case RecordType.Raw:
                input.Take(header.Size);
                _left = header.Length;
                return true;
            case RecordType.Compressed:
                if (header.Length is < 2 or > MaxCompressed) throw Packed($"a compressed record of {header.Length} octets");
                if (input.Window.Length < header.Size + header.Length) return Missing();
                Decompress(input.Window.Slice(header.Size, header.Length));
                input.Take(header.Size + header.Length);
                return true;
            case RecordType.Zero:
                if (header.Length != 1) throw Packed($"a zero record of {header.Length} octets");
                if (input.Window.Length < header.Size + 1) return Missing();
                var zeros = input.Window[header.Size] * 1024;
                if (zeros > _block.Length) throw Packed($"a record of {zeros} zeros");
                _block.AsSpan(0, zeros).Clear();
                (_blockAt, _blockEnd) = (0, zeros);
                input.Take(header.Size + 1);
                return true;
            default:
                throw new SavedStateException(SavedStateStatus.BadRecordType, input.Offset, $"a record of type {(int)header.Type} where data are");
        }
    }

    private void Decompress(ReadOnlySpan<byte> payload)
    {
        var size = payload[0] * 1024;
        if (size > _block.Length || size < payload.Length - 1) throw Packed($"{payload.Length - 1} octets said to be {size}");
        if (Lzf.Decompress(payload[1..], _block.AsSpan(0, size)) != size) throw Packed($"a compressed record that is not {size} octets");
        (_blockAt, _blockEnd) = (0, size);
    }

    private bool TryTerminate(RecordHeader header)
    {
        if (header.Length != TerminatorSize - 2 || header.Size != 2 || !header.IsImportant) throw Terminator("its header");
        if (input.Window.Length < TerminatorSize) return Missing();
        var offset = input.Offset;
        var flags = BinaryPrimitives.ReadUInt16LittleEndian(input.Window[2..]);
        var checksum = BinaryPrimitives.ReadUInt32LittleEndian(input.Window[4..]);
        if (BinaryPrimitives.ReadInt64LittleEndian(input.Window[8..]) != offset + TerminatorSize - _start) throw Terminator("the unit's size");
        if ((flags & ~1) != 0) throw Terminator("unknown flags");
        if ((flags & 1) == 0 && checksum != 0) throw Terminator("a checksum that is said to be none");
        // The checksum covers the terminator's own first two octets.
        input.Take(2);
        if (input.KeepsChecksum && (flags & 1) != 0 && checksum != input.Checksum)
            throw new SavedStateException(SavedStateStatus.IntegrityRecordTerminatorCrc, offset + 4, "the data's checksum does not match");
        input.Take(TerminatorSize - 2);
        _ended = true;
        return true;

        SavedStateException Terminator(string what) => new(SavedStateStatus.IntegrityRecordTerminator, input.Offset, $"the terminator is wrong: {what}");
    }

    /// <summary>Asks for more input; where there is no more, the unit was read beyond its end.</summary>
    private bool Missing() => input.IsAtEnd
        ? throw new SavedStateException(SavedStateStatus.LoadedTooMuch, input.Offset, "the input ends inside of a unit")
        : false;

    private SavedStateException LeftOver() => new(SavedStateStatus.LoadedTooLittle, input.Offset, "a part of the unit was not read");

    private SavedStateException Packed(string what) => new(SavedStateStatus.IntegrityDecompression, input.Offset, what);
}
