namespace Cutpoint.Formats.Ber;

/// <summary>Integers in both read modes, and strings, whole or in pieces.</summary>
public sealed partial class BerSnapshotReader
{
    private enum Purpose
    {
        Octets,
        Text,
        SectionName,
        SubsectionName,
        RamBlockName,
        ListedBlockName,
        Page,
    }

    private ulong ReadUnsigned(string what, ulong max = ulong.MaxValue)
    {
        if (_reader.Token != BerToken.Primitive || _reader.Tag != BerTag.Integer) Unexpected(what);
        return _reader.GetUnsigned(what, max);
    }

    private uint ReadInstance()
    {
        var value = ReadUnsigned("the instance id", _mode == BerReadMode.Strict ? uint.MaxValue : ulong.MaxValue);
        // The first writer gave an instance of -1 to its unsigned 64-bit writer.
        if (value is > uint.MaxValue and < ulong.MaxValue)
            BerError.Throw(_reader.Offset, $"the instance id is {value}, outside of 32 bits");
        return (uint)value;
    }

    private BerStateInteger ReadStateInteger()
    {
        if (_mode == BerReadMode.Strict || !_reader.IsBuffered) return new BerStateInteger(_reader.GetInteger());
        return BerStateInteger.ReadFromSeed(_reader.Contents, _reader.Offset + _reader.Header.HeaderLength);
    }

    private bool AcceptName(string what)
    {
        if (_reader.Tag != BerTag.Utf8String) Unexpected(what);
        var purpose = Innermost.Mode switch
        {
            Mode.OpeningSection => Purpose.SectionName,
            Mode.Subsection => Purpose.SubsectionName,
            Mode.Block => Purpose.ListedBlockName,
            _ => Purpose.RamBlockName,
        };
        if (_reader.Token == BerToken.Start) return BeginPieces(purpose);
        if (_reader.Header.ContentLength > BerSnapshot.MaxNameLength) ThrowTooLong(purpose);
        TakeName(purpose);
        return false;
    }

    private void TakeName(Purpose purpose)
    {
        if (Contents.IsEmpty) BerError.Throw(_reader.Offset, "an empty name");
        switch (purpose)
        {
            case Purpose.SectionName:
                _sectionName = BerText.Decode(Contents, _reader.Offset);
                break;
            case Purpose.RamBlockName:
                SelectBlock(Contents);
                break;
            default:
                Innermost.Name = BerText.Decode(Contents, _reader.Offset);
                break;
        }
    }

    private bool BeginPieces(Purpose purpose)
    {
        Push(Mode.Pieces);
        Innermost.Purpose = purpose;
        _scratchLength = 0;
        if (purpose == Purpose.Octets) OctetsLength = BerHeader.Indefinite;
        return false;
    }

    // Pieces of a UTF8String are OCTET STRINGs (X.690, 8.23.6); pieces tagged as the string itself are common and taken too.
    private bool AcceptPiece(ref Frame frame)
    {
        var isText = frame.Purpose is not (Purpose.Octets or Purpose.Page);
        if (_reader.Tag != BerTag.OctetString && !(isText && _reader.Tag == BerTag.Utf8String)) Unexpected("a piece of a string");
        if (_reader.Token == BerToken.Start)
        {
            var purpose = frame.Purpose;
            Push(Mode.Pieces);
            Innermost.Purpose = purpose;
            return false;
        }

        if (frame.Purpose == Purpose.Octets) return AcceptOctets(isFinal: false);
        var room = (isText ? BerSnapshot.MaxNameLength : BerSnapshot.MaxPageSize) - _scratchLength;
        if (_reader.Header.ContentLength > room) ThrowTooLong(frame.Purpose);
        if (_scratch.Length == 0) _scratch = new byte[BerSnapshot.MaxPageSize];
        _reader.Contents.CopyTo(_scratch.AsSpan(_scratchLength));
        _scratchLength += _reader.Contents.Length;
        return false;
    }

    private bool EndPieces(Purpose purpose)
    {
        // The end of a string that is itself a piece.
        if (InConstructedString) return false;
        _fromScratch = true;
        switch (purpose)
        {
            case Purpose.Octets:
                _scratchLength = 0;
                IsFinalPiece = true;
                return Stand(BerSnapshotEvent.Octets);
            case Purpose.Text:
                return Stand(BerSnapshotEvent.Text);
            case Purpose.Page:
                return TakePage();
            default:
                TakeName(purpose);
                return false;
        }
    }

    private void ThrowTooLong(Purpose purpose)
    {
        var max = purpose == Purpose.Page ? BerSnapshot.MaxPageSize : BerSnapshot.MaxNameLength;
        BerError.Throw(_reader.Offset, $"{(purpose == Purpose.Page ? "a page" : "a text")} of more than {max} octets");
    }
}
