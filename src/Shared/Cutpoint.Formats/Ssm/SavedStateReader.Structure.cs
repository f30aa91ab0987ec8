using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Ssm;

/// <content>Unit headers, directory and footer. A method that returns false needs more input.</content>
public sealed partial class SavedStateReader
{
    private const int UnitHeaderSize = 44;
    private const int UnitChecksumAt = 20;
    private const int Version1UnitHeaderSize = 28;
    private const int DirectoryHeaderSize = 16;
    private const int DirectoryEntrySize = 16;

    /// <summary>Earlier revisions list units whose place they do not know.</summary>
    private const int FirstRevisionWithoutHoles = 53365;

    private readonly List<SavedStateDirectoryEntry> _directory = [];
    private Part _part;
    private long _directoryStart;
    private uint _directoryChecksum;
    private uint _directoryNoted;
    private int _entriesLeft;

    private enum Part
    {
        Units,
        Directory,
        Entries,
        Footer,
        End,
    }

    /// <summary>The directory; known once the last unit was read or one was sought.</summary>
    public IReadOnlyList<SavedStateDirectoryEntry> Directory => _directory;

    private static ReadOnlySpan<byte> UnitMagic => "\nUnit\n\0\0"u8;

    private static ReadOnlySpan<byte> EndMagic => "\nTheEnd\0"u8;

    private static ReadOnlySpan<byte> DirectoryMagic => "\nDir\n\0\0\0"u8;

    private bool TryNextUnit()
    {
        _unit = null;
        if (!IsVersion2) return TryNextVersion1Unit();
        if (_part != Part.Units) return TryDirectory() && TryFooter();
        if (_input.Window.Length < UnitHeaderSize) return More();
        var isEnd = CheckMagicOfUnit();
        var nameSize = BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[40..]);
        if (nameSize > SavedStateUnit.MaxNameLength + 1) throw Wrong(SavedStateStatus.IntegrityUnit, 40, $"a name of {nameSize} octets");
        if (_input.Window.Length < UnitHeaderSize + (int)nameSize) return More();
        var unit = CheckUnit(_input.Window[..(UnitHeaderSize + (int)nameSize)], isEnd);
        _input.Take(UnitHeaderSize + (int)nameSize);
        if (isEnd)
        {
            _part = Part.Directory;
            return TryDirectory() && TryFooter();
        }
        _records.Begin();
        _unit = unit;
        return true;
    }

    private bool CheckMagicOfUnit()
    {
        if (_input.Window.StartsWith(EndMagic)) return true;
        return _input.Window.StartsWith(UnitMagic) ? false : throw Wrong(SavedStateStatus.IntegrityUnitMagic, 0, "no unit begins here");
    }

    private SavedStateUnit CheckUnit(ReadOnlySpan<byte> header, bool isEnd)
    {
        var name = header[UnitHeaderSize..];
        if (name.Length > 0 && name.IndexOf((byte)0) != name.Length - 1) throw Wrong(SavedStateStatus.IntegrityUnit, UnitHeaderSize, "the name does not end with a zero");
        if (!SavedStateChecksum.Holds(header, UnitChecksumAt)) throw Wrong(SavedStateStatus.IntegrityCrc, UnitChecksumAt, "the unit header's checksum does not match");
        if (BinaryPrimitives.ReadInt64LittleEndian(header[8..]) != Offset) throw Wrong(SavedStateStatus.IntegrityUnit, 8, "the unit notes another place for itself");
        if (Header.HasChecksums && BinaryPrimitives.ReadUInt32LittleEndian(header[16..]) != _input.Checksum)
            throw Wrong(SavedStateStatus.IntegrityUnit, 16, "the checksum of everything before the unit does not match");
        var version = BinaryPrimitives.ReadUInt32LittleEndian(header[24..]);
        var instance = BinaryPrimitives.ReadUInt32LittleEndian(header[28..]);
        var pass = BinaryPrimitives.ReadUInt32LittleEndian(header[32..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[36..]) != 0) throw Wrong(SavedStateStatus.IntegrityUnit, 36, "unknown flags");
        if (isEnd && (name.Length != 0 || version != 0 || instance != 0 || pass != SavedStateUnit.FinalPass))
            throw Wrong(SavedStateStatus.IntegrityUnit, 24, "the end carries what only a unit has");
        if (!isEnd && name.Length <= 1) throw Wrong(SavedStateStatus.Integrity, 40, "a unit without a name");
        return new SavedStateUnit(isEnd ? "" : Encoding.UTF8.GetString(name[..^1]), instance, version, pass, Offset);
    }

    /// <summary>A place in the middle is gone to: its header says what the checksum was before it.</summary>
    private bool TryRestoreChecksum()
    {
        if (_input.Window.Length < UnitHeaderSize) return More();
        _input.Checksum = BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[16..]);
        return true;
    }

    private bool TryDirectory()
    {
        if (_part == Part.Directory)
        {
            if (_input.Window.Length < DirectoryHeaderSize) return More();
            if (!_input.Window.StartsWith(DirectoryMagic)) throw Wrong(SavedStateStatus.IntegrityDirectoryMagic, 0, "no directory begins here");
            _directoryStart = Offset;
            _directoryNoted = BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[8..]);
            _directoryChecksum = SavedStateChecksum.Of(_input.Window[..DirectoryHeaderSize], 8);
            var count = BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[12..]);
            if (count > ushort.MaxValue || (_footer is { } footer && count != footer.EntryCount))
                throw Wrong(SavedStateStatus.IntegrityDirectory, 12, $"a directory of {count} entries");
            _directory.Clear();
            _entriesLeft = (int)count;
            _input.Take(DirectoryHeaderSize);
            _part = Part.Entries;
        }
        while (_part == Part.Entries && _entriesLeft > 0)
        {
            if (_input.Window.Length < DirectoryEntrySize) return More();
            var entry = _input.Window[..DirectoryEntrySize];
            _directoryChecksum = Crc32.Append(_directoryChecksum, entry);
            _directory.Add(new(
                BinaryPrimitives.ReadInt64LittleEndian(entry),
                BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]),
                BinaryPrimitives.ReadUInt32LittleEndian(entry[12..])));
            _input.Take(DirectoryEntrySize);
            _entriesLeft--;
        }
        if (_part == Part.Entries)
        {
            CheckDirectory();
            _part = Part.Footer;
        }
        return true;
    }

    private void CheckDirectory()
    {
        if (_directoryChecksum != _directoryNoted)
            throw new SavedStateException(SavedStateStatus.IntegrityCrc, _directoryStart + 8, "the directory's checksum does not match");
        foreach (var entry in _directory)
        {
            if (entry.Offset == 0 && Header.Revision < FirstRevisionWithoutHoles) continue;
            if (entry.Offset < SavedStateHeader.Size || entry.Offset >= _directoryStart)
                throw new SavedStateException(SavedStateStatus.IntegrityDirectory, _directoryStart, $"an entry points to {entry.Offset}");
        }
    }

    private bool TryFooter()
    {
        if (_part == Part.End) return true;
        if (_input.Window.Length < SavedStateFooter.Size) return More();
        var footer = SavedStateFooter.Parse(_input.Window, Offset, Header.HasChecksums);
        if (footer.EntryCount != _directory.Count) throw Wrong(SavedStateStatus.IntegrityFooter, 20, $"{footer.EntryCount} entries noted, {_directory.Count} seen");
        if (Header.HasChecksums && footer.Checksum != _input.Checksum)
            throw Wrong(SavedStateStatus.IntegrityCrc, 16, "the saved state's checksum does not match");
        if (_stream.CanSeek && Offset + SavedStateFooter.Size != _stream.Length)
            throw Wrong(SavedStateStatus.IntegrityFooter, SavedStateFooter.Size, "something follows the footer");
        _input.Take(SavedStateFooter.Size);
        _part = Part.End;
        return true;
    }

    private bool TryNextVersion1Unit()
    {
        if (_part == Part.End) return true;
        if (_input.Window.Length < Version1UnitHeaderSize) return More();
        if (CheckMagicOfUnit())
        {
            _part = Part.End;
            return true;
        }
        var size = BinaryPrimitives.ReadInt64LittleEndian(_input.Window[8..]);
        var nameSize = BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[24..]);
        if (nameSize is < 2 or > SavedStateUnit.MaxNameLength + 1) throw Wrong(SavedStateStatus.IntegrityUnit, 24, $"a name of {nameSize} octets");
        var headerSize = Version1UnitHeaderSize + (int)nameSize;
        if (size < headerSize || size > Header.FileSize - Offset) throw Wrong(SavedStateStatus.IntegrityUnit, 8, $"a unit of {size} octets");
        if (_input.Window.Length < headerSize) return More();
        var name = _input.Window[Version1UnitHeaderSize..headerSize];
        if (name.IndexOf((byte)0) != name.Length - 1) throw Wrong(SavedStateStatus.IntegrityUnit, Version1UnitHeaderSize, "the name does not end with a zero");
        var unit = new SavedStateUnit(
            Encoding.UTF8.GetString(name[..^1]),
            BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[20..]),
            BinaryPrimitives.ReadUInt32LittleEndian(_input.Window[16..]),
            SavedStateUnit.FinalPass,
            Offset);
        _input.Take(headerSize);
        _version1.Begin(unit.Offset + size);
        _unit = unit;
        return true;
    }

    /// <summary>Asks for more input, where there can be more.</summary>
    private bool More() => _input.IsAtEnd ? throw EndOfInput(Offset + _input.Window.Length) : false;

    private SavedStateException Wrong(SavedStateStatus status, int at, string reason) => new(status, Offset + at, reason);
}
