using System.Globalization;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Writes a BER snapshot front to back, in the reference profile: the tags, order and indefinite lengths every reader of the format takes,
/// with correct integers and names. Not thread safe; holds the block list and the section ids, nothing else.
/// </summary>
/// <remarks>
/// What the profile forbids is refused before anything is written: data that cannot be expressed with a <see cref="SnapshotException"/>,
/// calls out of order with an <see cref="InvalidOperationException"/>. Asynchronous callers await <see cref="BerWriter.FlushAsync"/> of the
/// underlying writer whenever <see cref="BerWriter.ShouldFlush"/> says so.
/// </remarks>
public sealed partial class BerSnapshotWriter
{
    private readonly BerWriter _writer;
    private readonly int _pageSize;
    private readonly HashSet<uint> _sectionIds = [];
    private readonly Frame[] _frames = new Frame[BerWriter.MaxDepth];
    private int _depth;
    private bool _isComplete;

    /// <summary>Creates a writer of one snapshot.</summary>
    /// <param name="writer">Takes the values; stays the caller's, who flushes it at the end.</param>
    /// <param name="pageSize">Octets of a guest page: a power of two.</param>
    public BerSnapshotWriter(BerWriter writer, int pageSize = 4096)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageSize, BerSnapshot.MaxPageSize);
        if (!int.IsPow2(pageSize)) throw new ArgumentOutOfRangeException(nameof(pageSize), pageSize, "A page size is a power of two.");
        _writer = writer;
        _pageSize = pageSize;
    }

    /// <summary>What is open, innermost.</summary>
    public BerSequenceMode Mode => _depth == 0 ? BerSequenceMode.None : _frames[_depth - 1].Mode;

    /// <summary>Opens the file and its list of sections.</summary>
    public void BeginFile()
    {
        if (_isComplete) throw new InvalidOperationException("The file is complete: nothing may follow it.");
        Require(BerSequenceMode.None);
        Push(BerSequenceMode.File, BerSnapshot.File);
        _writer.WriteInteger((long)BerSnapshot.StreamVersion);
        Push(BerSequenceMode.Top, BerTag.Sequence);
    }

    /// <summary>Closes the list of sections and the file.</summary>
    public void EndFile()
    {
        Pop(BerSequenceMode.Top);
        Pop(BerSequenceMode.File);
        _isComplete = true;
    }

    /// <summary>Opens the first section of a unit.</summary>
    /// <param name="name">Name of the unit, 1 to 255 octets of UTF-8.</param>
    /// <param name="sectionId">A number no other unit of this file has.</param>
    /// <param name="instanceId">Tells units of one name apart.</param>
    /// <param name="versionId">Version of the unit's state.</param>
    public void BeginSection(string name, uint sectionId, uint instanceId, uint versionId)
    {
        Require(BerSequenceMode.Top);
        CheckName(name, "section");
        if (_sectionIds.Contains(sectionId))
            throw Refused($"section id {sectionId} of '{name}' is taken by an earlier section", "give every unit an id of its own");
        if (_sectionIds.Count == BerSnapshot.MaxSections) throw Refused($"more than {BerSnapshot.MaxSections} sections", null);
        _sectionIds.Add(sectionId);
        Push(BerSequenceMode.OpeningSection, BerSnapshot.OpeningSection);
        _writer.WriteUtf8String(name);
        _writer.WriteInteger((long)sectionId);
        _writer.WriteInteger((long)instanceId);
        _writer.WriteInteger((long)versionId);
        _currentBlock = null;
    }

    /// <summary>Opens a further section of a unit.</summary>
    /// <param name="sectionId">The number its first section has.</param>
    public void ContinueSection(uint sectionId)
    {
        Require(BerSequenceMode.Top);
        if (!_sectionIds.Contains(sectionId)) throw new InvalidOperationException($"No section with id {sectionId} was opened.");
        Push(BerSequenceMode.ContinuingSection, BerSnapshot.ContinuingSection);
        _writer.WriteInteger((long)sectionId);
        _currentBlock = null;
    }

    /// <summary>Closes the open section.</summary>
    public void EndSection()
    {
        if (Mode is not (BerSequenceMode.OpeningSection or BerSequenceMode.ContinuingSection)) throw Misplaced("end a section");
        Pop(Mode);
    }

    /// <summary>Opens a list of subsections: the last item of a state or structure.</summary>
    public void BeginSubsections()
    {
        if (Mode is not (BerSequenceMode.State or BerSequenceMode.Struct)) throw Misplaced("begin a list of subsections");
        AddItem(isInteger: false);
        _frames[_depth - 1].IsClosed = true;
        Push(BerSequenceMode.SubsectionList, BerSnapshot.SubsectionList);
    }

    /// <summary>Closes the list of subsections.</summary>
    public void EndSubsections() => Pop(BerSequenceMode.SubsectionList);

    /// <summary>Opens a subsection; one state without a tag of its own follows.</summary>
    /// <param name="name">Its full name, 1 to 255 octets of UTF-8.</param>
    /// <param name="versionId">Its version.</param>
    public void BeginSubsection(string name, uint versionId)
    {
        Require(BerSequenceMode.SubsectionList);
        CheckName(name, "subsection");
        Push(BerSequenceMode.Subsection, BerSnapshot.Subsection);
        _writer.WriteUtf8String(name);
        _writer.WriteInteger((long)versionId);
    }

    /// <summary>Closes the subsection, whose state must be there.</summary>
    public void EndSubsection()
    {
        Require(BerSequenceMode.Subsection);
        if (_frames[_depth - 1].Items == 0) throw new InvalidOperationException("The subsection lacks its state.");
        Pop(BerSequenceMode.Subsection);
    }

    private static SnapshotException Refused(string reason, string? advice) =>
        new(ErrorCode.Incompatible, $"BER: the reference profile refuses {reason}", advice);

    private static void CheckName(string name, string kind)
    {
        ArgumentNullException.ThrowIfNull(name);
        const string Advice = "use a name of 1 to 255 octets of UTF-8 without NUL";
        if (name.Length == 0) throw Refused($"an empty {kind} name", Advice);
        if (name.Contains('\0', StringComparison.Ordinal)) throw Refused($"a NUL in a {kind} name", Advice);
        CheckText(name, kind + " name");
    }

    private static void CheckText(string text, string kind)
    {
        const string Advice = "shorten it; the format has no longer strings";
        if (text.Length > BerSnapshot.MaxNameLength || System.Text.Encoding.UTF8.GetByteCount(text) > BerSnapshot.MaxNameLength)
            throw Refused($"a {kind} of more than {BerSnapshot.MaxNameLength} octets", Advice);
        for (var index = 0; index < text.Length; index++)
        {
            if (!char.IsSurrogate(text[index])) continue;
            if (!char.IsSurrogatePair(text, index)) throw Refused($"half of a surrogate pair in a {kind}", "use valid Unicode text");
            index++;
        }
    }

    private InvalidOperationException Misplaced(string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Cannot {what} inside of {Mode}."));

    private void Require(BerSequenceMode mode)
    {
        if (Mode != mode) throw new InvalidOperationException($"{mode} must be innermost, not {Mode}.");
    }

    private void Push(BerSequenceMode mode, BerTag tag)
    {
        if (_depth == BerWriter.MaxDepth) throw Refused($"more than {BerWriter.MaxDepth} values inside each other", null);
        _writer.BeginConstructed(tag);
        _frames[_depth++] = new Frame { Mode = mode };
    }

    private void Pop(BerSequenceMode mode)
    {
        Require(mode);
        _writer.EndConstructed();
        _depth--;
    }

    private struct Frame
    {
        public BerSequenceMode Mode;
        public int Items;
        public int ExpectedItems;
        public bool IsCpuCommon;
        public bool IsClosed;
    }
}
