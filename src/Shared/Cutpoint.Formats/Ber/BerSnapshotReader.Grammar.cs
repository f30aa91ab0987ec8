using System.Diagnostics.CodeAnalysis;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// The grammar as a push automaton: <see cref="Accept"/> takes one token and says whether it completes an event. One frame per open value.
/// </summary>
public sealed partial class BerSnapshotReader
{
    private readonly Frame[] _frames = new Frame[BerReader.MaxDepth];
    private readonly Dictionary<uint, BerSection> _opened = [];
    private readonly List<BerRamBlock> _blocks = [];
    private byte[] _scratch = [];
    private int _scratchLength;
    private bool _fromScratch;
    private int _depth;
    private long _pieceRest;

    private uint _sectionId;
    private uint _instanceId;
    private string _sectionName = string.Empty;

    private enum Mode
    {
        File,
        Top,
        OpeningSection,
        ContinuingSection,
        RamList,
        RamEntry,
        BlockList,
        Block,
        Group,
        SubsectionList,
        Subsection,

        /// <summary>A string in pieces.</summary>
        Pieces,

        /// <summary>A value the format does not know.</summary>
        Unknown,
    }

    private bool InConstructedString => _depth > 0 && _frames[_depth - 1].Mode == Mode.Pieces;

    private ref Frame Innermost => ref _frames[_depth - 1];

    private bool Accept()
    {
        _fromScratch = false;
        if (_depth == 0) return AcceptFile();
        ref var frame = ref Innermost;
        if (_reader.Token == BerToken.End) return AcceptEnd(ref frame);
        if (frame.Mode == Mode.Pieces) return AcceptPiece(ref frame);
        if (frame.Mode == Mode.Unknown)
        {
            if (_reader.Token == BerToken.Start) Push(Mode.Unknown);
            return false;
        }

        var child = frame.Children++;
        return frame.Mode switch
        {
            Mode.File => AcceptFileChild(child),
            Mode.Top => AcceptSection(),
            Mode.OpeningSection => AcceptOpeningChild(child),
            Mode.ContinuingSection => AcceptContinuingChild(child),
            Mode.RamList => AcceptRamEntry(),
            Mode.RamEntry => AcceptRamEntryChild(child),
            Mode.BlockList => AcceptBlock(),
            Mode.Block => AcceptBlockChild(child),
            Mode.Group => AcceptItem(),
            Mode.SubsectionList => AcceptSubsection(),
            _ => AcceptSubsectionChild(child),
        };
    }

    private bool AcceptFile()
    {
        if (_atEnd) BerError.Throw(_reader.Offset, "octets behind the end of the snapshot");
        ExpectStart(BerSnapshot.File, "a snapshot");
        Push(Mode.File);
        return false;
    }

    private bool AcceptFileChild(int child)
    {
        switch (child)
        {
            case 0:
                var streamVersion = ReadUnsigned("the stream version");
                if (streamVersion != BerSnapshot.StreamVersion)
                    BerError.Throw(_reader.Offset, $"stream version {streamVersion}; only {BerSnapshot.StreamVersion} exists");
                return false;
            case 1:
                ExpectStart(BerTag.Sequence, "the list of sections");
                Push(Mode.Top);
                return false;
            default:
                return Skip();
        }
    }

    private bool AcceptSection()
    {
        if (_reader.Token == BerToken.Start && _reader.Tag == BerSnapshot.OpeningSection) Push(Mode.OpeningSection);
        else if (_reader.Token == BerToken.Start && _reader.Tag == BerSnapshot.ContinuingSection) Push(Mode.ContinuingSection);
        else Unexpected("a section");
        Innermost.Offset = _reader.Offset;
        return false;
    }

    private bool AcceptOpeningChild(int child)
    {
        switch (child)
        {
            case 0:
                return AcceptName("the section name");
            case 1:
                _sectionId = (uint)ReadUnsigned("the section id", uint.MaxValue);
                if (_opened.ContainsKey(_sectionId)) BerError.Throw(_reader.Offset, $"section id {_sectionId} for a second time");
                return false;
            case 2:
                _instanceId = ReadInstance();
                return false;
            case 3:
                var version = (uint)ReadUnsigned("the version id", uint.MaxValue);
                if (_opened.Count == BerSnapshot.MaxSections)
                    BerError.Throw(_reader.Offset, $"more than {BerSnapshot.MaxSections} section ids");
                Section = new BerSection(_sectionName, _sectionId, _instanceId, version, IsContinuing: false, Innermost.Offset);
                _opened.Add(_sectionId, Section);
                return BeginSection();
            default:
                return AcceptBody();
        }
    }

    private bool AcceptContinuingChild(int child)
    {
        if (child > 0) return AcceptBody();
        var id = (uint)ReadUnsigned("the section id", uint.MaxValue);
        if (!_opened.TryGetValue(id, out var opening)) BerError.Throw(_reader.Offset, $"section id {id}, which no section has opened");
        Section = opening with { IsContinuing = true, Offset = Innermost.Offset };
        return BeginSection();
    }

    private bool BeginSection()
    {
        GroupDepth = 0;
        return Stand(BerSnapshotEvent.SectionStart);
    }

    private bool AcceptBody()
    {
        if (_reader.Token != BerToken.Start || _reader.Tag != BerSnapshot.RamList) return AcceptItem();
        Push(Mode.RamList);
        return false;
    }

    private bool AcceptItem()
    {
        if (_reader.Token == BerToken.Start)
        {
            if (_reader.Tag == BerTag.OctetString) return BeginPieces(Purpose.Octets);
            if (_reader.Tag == BerTag.Utf8String) return BeginPieces(Purpose.Text);
            if (_reader.Tag == BerSnapshot.SubsectionList)
            {
                Push(Mode.SubsectionList);
                return false;
            }

            if (BerSnapshot.IsStructural(_reader.Tag)) Unexpected("an item of a state");
            if (_reader.Tag != BerTag.Sequence && _reader.Tag.Class != BerTagClass.Application) return Skip();
            return BeginGroup();
        }

        if (_reader.Tag == BerTag.Integer)
        {
            Integer = ReadStateInteger();
            return Stand(BerSnapshotEvent.Integer);
        }

        if (_reader.Tag == BerTag.Boolean)
        {
            Boolean = _reader.GetBoolean();
            return Stand(BerSnapshotEvent.Boolean);
        }

        if (_reader.Tag == BerTag.Utf8String)
        {
            if (_reader.Header.ContentLength > BerSnapshot.MaxNameLength) ThrowTooLong(Purpose.Text);
            return Stand(BerSnapshotEvent.Text);
        }

        if (_reader.Tag != BerTag.OctetString) return Skip();
        OctetsLength = _reader.Header.ContentLength;
        return AcceptOctets(isFinal: true);
    }

    private bool AcceptOctets(bool isFinal)
    {
        if (!_reader.IsBuffered)
        {
            _inPieces = true;
            _pieceRest = _reader.Header.ContentLength;
            return false;
        }

        IsFinalPiece = isFinal;
        return Stand(BerSnapshotEvent.Octets);
    }

    private bool BeginGroup()
    {
        Tag = _reader.Tag;
        Push(Mode.Group);
        GroupDepth++;
        return Stand(BerSnapshotEvent.GroupStart);
    }

    private bool AcceptSubsection()
    {
        ExpectStart(BerSnapshot.Subsection, "a subsection");
        Push(Mode.Subsection);
        return false;
    }

    private bool AcceptSubsectionChild(int child)
    {
        switch (child)
        {
            case 0:
                return AcceptName("the subsection name");
            case 1:
                SubsectionVersion = (uint)ReadUnsigned("the subsection's version id", uint.MaxValue);
                SubsectionName = Innermost.Name;
                return Stand(BerSnapshotEvent.SubsectionStart);
            case 2:
                ExpectStart(BerTag.Sequence, "the subsection's state");
                return BeginGroup();
            default:
                return Skip();
        }
    }

    private bool AcceptEnd(ref Frame frame)
    {
        var required = frame.Mode switch
        {
            Mode.File => 2,
            Mode.OpeningSection => 4,
            Mode.ContinuingSection => 1,
            Mode.RamEntry => 2,
            Mode.Block => 2,
            Mode.Subsection => 3,
            _ => 0,
        };
        if (frame.Children < required)
            BerError.Throw(_reader.Offset, $"{_reader.Tag} ends after {frame.Children} values; it has at least {required}");
        var ended = frame;
        _depth--;
        switch (ended.Mode)
        {
            case Mode.File:
                _atEnd = true;
                return false;
            case Mode.OpeningSection or Mode.ContinuingSection:
                return Stand(BerSnapshotEvent.SectionEnd);
            case Mode.RamEntry:
                return EndRamEntry(ended);
            case Mode.BlockList:
                return EndBlockList();
            case Mode.Group:
                GroupDepth--;
                return Stand(BerSnapshotEvent.GroupEnd);
            case Mode.Subsection:
                return Stand(BerSnapshotEvent.SubsectionEnd);
            case Mode.Pieces:
                return EndPieces(ended.Purpose);
            default:
                return false;
        }
    }

    private bool Skip()
    {
        SkippedValues++;
        if (_reader.Token == BerToken.Start) Push(Mode.Unknown);
        return false;
    }

    private void Push(Mode mode) => _frames[_depth++] = new Frame { Mode = mode };

    private void ExpectStart(BerTag tag, string what)
    {
        if (_reader.Token != BerToken.Start || _reader.Tag != tag) Unexpected(what);
    }

    [DoesNotReturn]
    private void Unexpected(string expected)
    {
        var form = _reader.Token == BerToken.Start ? "constructed" : "primitive";
        BerError.Throw(_reader.Offset, $"{expected} expected, found {form} {_reader.Tag}");
    }

    private struct Frame
    {
        public Mode Mode;
        public int Children;
        public long Offset;
        public string? Name;
        public Purpose Purpose;
        public bool HasContent;
    }
}
