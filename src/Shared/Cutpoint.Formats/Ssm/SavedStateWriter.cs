using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Writes a saved state of VirtualBox, version 2.0, strictly forward, so that it can be streamed:
/// <see cref="BeginUnit"/>, data, <see cref="EndUnit"/>, again for every unit, then <see cref="Finish"/>. One item of data is one call: items of up to 512
/// octets are never split over records. What may have to wait for the stream has an asynchronous form; both may be mixed. Not safe for concurrent use.
/// </summary>
public sealed class SavedStateWriter
{
    private const int UnitHeaderSize = 44;
    private const int TerminatorSize = 16;

    private readonly SavedStateOutputBuffer _output;
    private readonly RecordWriter _records;
    private readonly Dictionary<(string Name, uint Instance), SavedStateDirectoryEntry> _last = [];
    private readonly List<(string Name, uint Instance)> _order = [];
    private long _dataStart = -1;
    private bool _finished;

    /// <summary>Begins a saved state. The stream stays the caller's; it need not seek.</summary>
    public SavedStateWriter(Stream stream, SavedStateHeader header)
    {
        if (header.Format != SavedStateFormat.V20 || !header.HasChecksums)
            throw new ArgumentException("only version 2.0 with checksums is written", nameof(header));
        header.CheckWriter();
        Header = header;
        _output = new SavedStateOutputBuffer(stream);
        _records = new RecordWriter(_output);
        header.Write(_output.Free(SavedStateHeader.Size));
        _output.Append(SavedStateHeader.Size);
    }

    /// <summary>What the beginning says.</summary>
    public SavedStateHeader Header { get; }

    /// <summary>Octets written so far, gathered data aside.</summary>
    public long Offset => _output.Offset;

    /// <summary>Octets of data that have become records so far, before compression: what the format's progress goes by.</summary>
    public long DataOctets => _records.DataOctets;

    /// <summary>Begins what a unit writes in one execution.</summary>
    /// <param name="name">1 to 47 octets of UTF-8.</param>
    /// <param name="instance">Tells units of one name apart.</param>
    /// <param name="version">Version of the data.</param>
    /// <param name="pass">The pass; <see cref="SavedStateUnit.FinalPass"/> when the machine stands still.</param>
    /// <param name="isListed">False keeps it out of the directory.</param>
    public void BeginUnit(string name, uint instance, uint version, uint pass, bool isListed = true)
    {
        if (_finished || _dataStart >= 0) throw new SavedStateException(SavedStateStatus.InvalidProgramState, Offset, $"unit {name} begins inside of another");
        var octets = Encoding.UTF8.GetByteCount(name);
        if (octets is 0 or > SavedStateUnit.MaxNameLength || name.Contains('\0', StringComparison.Ordinal))
            throw new SavedStateException(SavedStateStatus.OutOfRange, Offset, $"unit name '{name}' of {octets} octets");
        if (isListed) List(name, instance);
        WriteUnitHeader("\nUnit\n\0\0"u8, name, instance, version, pass);
        _dataStart = Offset;
    }

    /// <summary>Writes one item of data.</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        CheckInUnit();
        if (RecordWriter.IsSmall(data.Length))
        {
            _records.PutSmall(data);
            if (_output.IsFull) _output.Flush();
            return;
        }
        _records.Flush();
        while (!data.IsEmpty)
        {
            if (_output.IsFull) _output.Flush();
            data = data[_records.PutBlock(data)..];
        }
        if (_output.IsFull) _output.Flush();
    }

    /// <inheritdoc cref="Write"/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        CheckInUnit();
        if (RecordWriter.IsSmall(data.Length))
        {
            _records.PutSmall(data.Span);
            if (_output.IsFull) await _output.FlushAsync(cancellation).ConfigureAwait(false);
            return;
        }
        _records.Flush();
        while (!data.IsEmpty)
        {
            if (_output.IsFull) await _output.FlushAsync(cancellation).ConfigureAwait(false);
            data = data[_records.PutBlock(data.Span)..];
        }
        if (_output.IsFull) await _output.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Writes one item of data that <see cref="SavedStateBlocks.Encode"/> has cut into records, maybe on another thread.</summary>
    /// <param name="records">The records.</param>
    /// <param name="dataOctets">Octets of data in them.</param>
    public void WriteEncoded(ReadOnlySpan<byte> records, long dataOctets)
    {
        CheckInUnit();
        _records.Flush();
        _output.Write(records);
        _records.DataOctets += dataOctets;
    }

    /// <summary>Ends the unit in hand.</summary>
    public void EndUnit()
    {
        Terminate();
        if (_output.IsFull) _output.Flush();
    }

    /// <inheritdoc cref="EndUnit"/>
    public async ValueTask EndUnitAsync(CancellationToken cancellation)
    {
        Terminate();
        if (_output.IsFull) await _output.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Writes the end, the directory and the footer, and hands everything on to the stream.</summary>
    /// <param name="order">The units in the order the directory shall have; that of their first data when left out.</param>
    public void Finish(IEnumerable<(string Name, uint Instance)>? order = null)
    {
        foreach (var _ in FinishInParts(order)) _output.Flush();
    }

    /// <inheritdoc cref="Finish"/>
    public async ValueTask FinishAsync(CancellationToken cancellation, IEnumerable<(string Name, uint Instance)>? order = null)
    {
        foreach (var _ in FinishInParts(order)) await _output.FlushAsync(cancellation).ConfigureAwait(false);
    }

    private void CheckInUnit()
    {
        if (_dataStart < 0) throw new SavedStateException(SavedStateStatus.InvalidState, Offset, "data outside of a unit");
    }

    private void List(string name, uint instance)
    {
        var entry = new SavedStateDirectoryEntry(Offset, instance, Crc32.Append(0, Encoding.UTF8.GetBytes(name)));
        if (_last.TryAdd((name, instance), entry)) _order.Add((name, instance));
        else _last[(name, instance)] = entry;
        if (_order.Count > ushort.MaxValue) throw new SavedStateException(SavedStateStatus.IntegrityDirectory, Offset, "more units than a directory may list");
    }

    private void WriteUnitHeader(ReadOnlySpan<byte> magic, string name, uint instance, uint version, uint pass)
    {
        Span<byte> header = stackalloc byte[UnitHeaderSize + SavedStateUnit.MaxNameLength + 1];
        header.Clear();
        magic.CopyTo(header);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], _output.Checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], version);
        BinaryPrimitives.WriteUInt32LittleEndian(header[28..], instance);
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], pass);
        var nameSize = name.Length == 0 ? 0 : Encoding.UTF8.GetBytes(name, header[UnitHeaderSize..]) + 1;
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], nameSize);
        header = header[..(UnitHeaderSize + nameSize)];
        SavedStateChecksum.Put(header, 20);
        header.CopyTo(_output.Free(header.Length));
        _output.Append(header.Length);
    }

    private void Terminate()
    {
        CheckInUnit();
        _records.Flush();
        var terminator = _output.Free(TerminatorSize);
        RecordHeader.Write(terminator, RecordType.Terminator, TerminatorSize - 2);
        var start = Offset;
        // The checksum covers these two octets and no more.
        _output.Append(2);
        terminator = terminator[2..];
        BinaryPrimitives.WriteUInt16LittleEndian(terminator, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(terminator[2..], _output.Checksum);
        BinaryPrimitives.WriteInt64LittleEndian(terminator[6..], start + TerminatorSize - _dataStart);
        _output.Append(TerminatorSize - 2);
        _dataStart = -1;
    }

    /// <summary>Fills the buffer part by part; it is to be flushed after each.</summary>
    private IEnumerable<int> FinishInParts(IEnumerable<(string Name, uint Instance)>? order)
    {
        if (_finished || _dataStart >= 0) throw new SavedStateException(SavedStateStatus.InvalidProgramState, Offset, "the end inside of a unit");
        _finished = true;
        yield return 0;
        WriteUnitHeader("\nTheEnd\0"u8, "", 0, 0, SavedStateUnit.FinalPass);
        var directory = MakeDirectory(order ?? _order);
        for (var at = 0; at < directory.Length; at += 4096)
        {
            var part = directory.AsSpan(at, Math.Min(4096, directory.Length - at));
            part.CopyTo(_output.Free(part.Length));
            _output.Append(part.Length);
            yield return at;
        }
        var offset = Offset;
        new SavedStateFooter(_output.Checksum, (uint)_last.Count).Write(_output.Free(SavedStateFooter.Size), offset);
        _output.Append(SavedStateFooter.Size);
        yield return directory.Length;
    }

    private byte[] MakeDirectory(IEnumerable<(string Name, uint Instance)> order)
    {
        var directory = new byte[16 + (16 * _last.Count)];
        "\nDir\n\0\0\0"u8.CopyTo(directory);
        BinaryPrimitives.WriteInt32LittleEndian(directory.AsSpan(12), _last.Count);
        var at = 16;
        foreach (var key in order)
        {
            if (!_last.TryGetValue(key, out var entry)) continue;
            BinaryPrimitives.WriteInt64LittleEndian(directory.AsSpan(at), entry.Offset);
            BinaryPrimitives.WriteUInt32LittleEndian(directory.AsSpan(at + 8), entry.Instance);
            BinaryPrimitives.WriteUInt32LittleEndian(directory.AsSpan(at + 12), entry.NameChecksum);
            at += 16;
        }
        SavedStateChecksum.Put(directory, 8);
        return directory;
    }
}
