namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Reads a saved state of VirtualBox, versions 2.0, 1.2 and 1.1, unit by unit in bounded memory:
/// <code>
/// header │ unit header │ records … terminator │ unit header │ … │ END │ directory │ footer
/// </code>
/// Every structure is checked before it is used, in the order of saved state format E.2. A stream that can seek is taken for a file: its footer is checked
/// first, and units can be sought by name. Not safe for concurrent use. Errors are <see cref="SavedStateException"/>.
/// </summary>
public sealed partial class SavedStateReader
{
    private readonly Stream _stream;
    private readonly SavedStateBuffer _input;
    private readonly RecordReader _records;
    private readonly Version1UnitReader _version1;
    private readonly SavedStateFooter? _footer;
    private SavedStateUnit? _unit;

    private SavedStateReader(Stream stream, SavedStateHeader header, SavedStateFooter? footer)
    {
        _stream = stream;
        Header = header;
        _footer = footer;
        _input = new SavedStateBuffer(stream) { KeepsChecksum = header.HasChecksums };
        _records = new RecordReader(_input);
        _version1 = new Version1UnitReader(_input);
    }

    /// <summary>What the beginning says.</summary>
    public SavedStateHeader Header { get; }

    /// <summary>Octets read so far, from the start of the saved state.</summary>
    public long Offset => _input.Offset;

    /// <summary>The unit in hand, or null.</summary>
    public SavedStateUnit? Unit => _unit;

    private bool IsVersion2 => Header.Format == SavedStateFormat.V20;

    /// <summary>The next unit, or null behind the last one. What is left of the unit in hand is passed over.</summary>
    public SavedStateUnit? NextUnit()
    {
        Skip();
        while (!TryNextUnit()) _input.Fill();
        return _unit;
    }

    /// <inheritdoc cref="NextUnit"/>
    public async ValueTask<SavedStateUnit?> NextUnitAsync(CancellationToken cancellation)
    {
        await SkipAsync(cancellation).ConfigureAwait(false);
        while (!TryNextUnit()) await _input.FillAsync(cancellation).ConfigureAwait(false);
        return _unit;
    }

    /// <summary>Reads data of the unit in hand; 0 at its end.</summary>
    public int Read(Span<byte> data)
    {
        int count;
        while (!TryRead(data, out count)) _input.Fill();
        return count;
    }

    /// <inheritdoc cref="Read"/>
    public async ValueTask<int> ReadAsync(Memory<byte> data, CancellationToken cancellation)
    {
        int count;
        while (!TryRead(data.Span, out count)) await _input.FillAsync(cancellation).ConfigureAwait(false);
        return count;
    }

    /// <summary>Ends the unit in hand, which must have been read exactly. Versions 1.1 and 1.2 allow for less.</summary>
    public void End()
    {
        while (!TryEnd()) _input.Fill();
        _unit = null;
    }

    /// <inheritdoc cref="End"/>
    public async ValueTask EndAsync(CancellationToken cancellation)
    {
        while (!TryEnd()) await _input.FillAsync(cancellation).ConfigureAwait(false);
        _unit = null;
    }

    /// <summary>Passes over what is left of the unit in hand, without unpacking it.</summary>
    public void Skip()
    {
        while (!TrySkip()) _input.Fill();
        _unit = null;
    }

    /// <inheritdoc cref="Skip"/>
    public async ValueTask SkipAsync(CancellationToken cancellation)
    {
        while (!TrySkip()) await _input.FillAsync(cancellation).ConfigureAwait(false);
        _unit = null;
    }

    private bool TryRead(Span<byte> data, out int count)
    {
        if (_unit is null) throw new SavedStateException(SavedStateStatus.InvalidState, Offset, "no unit is being read");
        return IsVersion2 ? _records.TryRead(data, out count) : _version1.TryRead(data, out count);
    }

    private bool TryEnd() => _unit is null || (IsVersion2 ? _records.TryEnd() : _version1.TrySkip());

    private bool TrySkip() => _unit is null || (IsVersion2 ? _records.TrySkip() : _version1.TrySkip());
}
