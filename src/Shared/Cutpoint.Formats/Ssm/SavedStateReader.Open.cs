using System.Text;

namespace Cutpoint.Formats.Ssm;

/// <content>Opening, checking and seeking.</content>
public sealed partial class SavedStateReader
{
    /// <summary>Opens a saved state. The stream stays the caller's.</summary>
    /// <param name="stream">Stands at the beginning. One that cannot seek is read forward only; versions 1.1 and 1.2 need one that can.</param>
    public static SavedStateReader Open(Stream stream)
    {
        var octets = new byte[SavedStateHeader.MaxSize];
        ReadAll(stream, octets.AsSpan(0, SavedStateHeader.Size), 0);
        var length = CheckMagic(octets);
        ReadAll(stream, octets.AsSpan(SavedStateHeader.Size, length - SavedStateHeader.Size), SavedStateHeader.Size);
        return Open(stream, octets.AsSpan(0, length), verify: true);
    }

    /// <inheritdoc cref="Open(Stream)"/>
    public static async ValueTask<SavedStateReader> OpenAsync(Stream stream, CancellationToken cancellation)
    {
        if (stream.CanSeek) return Open(stream);
        var octets = new byte[SavedStateHeader.Size];
        if (await stream.ReadAtLeastAsync(octets, octets.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false) < octets.Length)
            throw EndOfInput(0);
        return CheckMagic(octets) == octets.Length ? Open(stream, octets, verify: false) : throw NotFromAFile();
    }

    /// <summary>Checks a saved state without looking at its units.</summary>
    /// <param name="stream">Stands at the beginning. Of one that cannot seek only the header is checked.</param>
    /// <param name="checksum">True reads all of it and compares the checksum.</param>
    public static void Validate(Stream stream, bool checksum)
    {
        var octets = new byte[SavedStateHeader.MaxSize];
        ReadAll(stream, octets.AsSpan(0, SavedStateHeader.Size), 0);
        var length = CheckMagic(octets);
        ReadAll(stream, octets.AsSpan(SavedStateHeader.Size, length - SavedStateHeader.Size), SavedStateHeader.Size);
        var reader = Open(stream, octets.AsSpan(0, length), checksum);
        if (!checksum || reader._footer is not { } footer || !reader.Header.HasChecksums) return;
        var end = stream.Length - SavedStateFooter.Size;
        if (ChecksumOf(stream, 0, end) != footer.Checksum)
            throw new SavedStateException(SavedStateStatus.IntegrityCrc, end + 16, "the file's checksum does not match");
    }

    /// <summary>Goes to the last data of a unit, by the directory. Needs a stream that can seek.</summary>
    /// <exception cref="SavedStateException">There is no such unit (<see cref="SavedStateStatus.UnitNotFound"/>), or something is damaged.</exception>
    public SavedStateUnit Seek(string name, uint instance)
    {
        if (!_stream.CanSeek) throw new SavedStateException(SavedStateStatus.NotSupported, Offset, "the input cannot seek");
        return IsVersion2 ? SeekByDirectory(name, instance) : SeekByWalk(name, instance);
    }

    private static SavedStateReader Open(Stream stream, ReadOnlySpan<byte> octets, bool verify)
    {
        var header = SavedStateHeader.Parse(octets);
        SavedStateFooter? footer = null;
        if (header.Format == SavedStateFormat.V20)
        {
            if (stream.CanSeek) footer = ReadFooter(stream, header);
        }
        else
        {
            CheckVersion1(stream, header, verify);
        }
        header.CheckWriter();
        var reader = new SavedStateReader(stream, header, footer);
        reader.GoTo(octets.Length, Crc32.Append(0, octets));
        return reader;
    }

    private static int CheckMagic(ReadOnlySpan<byte> octets) => SavedStateHeader.LengthOf(octets) switch
    {
        -1 => throw new SavedStateException(SavedStateStatus.IntegrityMagic, 0, "not a saved state"),
        -2 => throw new SavedStateException(SavedStateStatus.IntegrityVersion, 23, "an unknown version of the format"),
        var length => length,
    };

    private static SavedStateFooter ReadFooter(Stream stream, SavedStateHeader header)
    {
        var octets = new byte[SavedStateFooter.Size];
        var offset = stream.Length - SavedStateFooter.Size;
        stream.Position = offset;
        ReadAll(stream, octets, offset);
        return SavedStateFooter.Parse(octets, offset, header.HasChecksums);
    }

    private static void CheckVersion1(Stream stream, SavedStateHeader header, bool verify)
    {
        if (!stream.CanSeek) throw NotFromAFile();
        if (stream.Length != header.FileSize)
            throw new SavedStateException(SavedStateStatus.IntegritySize, 32, $"{stream.Length} octets, {header.FileSize} are noted");
        if (!verify) return;
        // The checksum leaves out as many octets at the end as the header has behind the checksum's field: an old mistake that every file has.
        var start = SavedStateHeader.FileChecksumStart;
        if (ChecksumOf(stream, start, start + header.FileSize - header.Length) != header.FileChecksum)
            throw new SavedStateException(SavedStateStatus.IntegrityCrc, 40, "the file's checksum does not match");
    }

    private static uint ChecksumOf(Stream stream, long start, long end)
    {
        var buffer = new byte[1 << 16];
        var checksum = 0U;
        stream.Position = start;
        while (start < end)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - start));
            ReadAll(stream, part, start);
            checksum = Crc32.Append(checksum, part);
            start += part.Length;
        }
        return checksum;
    }

    private static void ReadAll(Stream stream, Span<byte> octets, long offset)
    {
        if (stream.ReadAtLeast(octets, octets.Length, throwOnEndOfStream: false) < octets.Length) throw EndOfInput(offset);
    }

    private static SavedStateException NotFromAFile() => new(SavedStateStatus.NotSupported, 0, "old versions can be read from files only");

    private static SavedStateException EndOfInput(long offset) => new(SavedStateStatus.EndOfFile, offset, "the input ends here");

    private SavedStateUnit SeekByDirectory(string name, uint instance)
    {
        var footer = _footer!.Value;
        var start = _stream.Length - SavedStateFooter.Size - DirectoryHeaderSize - ((long)DirectoryEntrySize * footer.EntryCount);
        if (start < SavedStateHeader.Size) throw new SavedStateException(SavedStateStatus.IntegrityDirectory, start, $"no room for {footer.EntryCount} entries");
        GoTo(start, 0);
        _part = Part.Directory;
        while (!TryDirectory()) _input.Fill();
        var checksum = Crc32.Append(0, Encoding.UTF8.GetBytes(name));
        foreach (var entry in _directory)
        {
            if (entry.NameChecksum != checksum || entry.Instance != instance || entry.Offset == 0) continue;
            GoTo(entry.Offset, 0);
            while (!TryRestoreChecksum()) _input.Fill();
            while (!TryNextUnit()) _input.Fill();
            if (_unit is { } unit && unit.Name == name && unit.Instance == instance) return unit;
        }
        throw NotFound(name, instance);
    }

    private SavedStateUnit SeekByWalk(string name, uint instance)
    {
        GoTo(Header.Length, 0);
        while (NextUnit() is { } unit)
        {
            if (unit.Name == name && unit.Instance == instance) return unit;
        }
        throw NotFound(name, instance);
    }

    private void GoTo(long offset, uint checksum)
    {
        if (_stream.CanSeek) _stream.Position = offset;
        _input.Restart(offset, checksum);
        (_unit, _part) = (null, Part.Units);
    }

    private SavedStateException NotFound(string name, uint instance) => new(SavedStateStatus.UnitNotFound, Offset, $"there is no unit {name}/{instance}");
}
