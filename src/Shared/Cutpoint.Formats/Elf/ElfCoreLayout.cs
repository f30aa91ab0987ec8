using System.Buffers;

namespace Cutpoint.Formats.Elf;

/// <summary>
/// Where everything is in an ELF core of a guest. The order is the one every reader understands: makedumpfile takes program headers to follow the ELF
/// header at once.
/// <code>
/// ELF header | PT_NOTE | PT_LOAD … | section header (only with 65535 program headers and more) | notes | memory, range by range
/// </code>
/// Memory is not aligned: crash takes a core with an aligned one for another format. Immutable.
/// </summary>
public sealed class ElfCoreLayout
{
    /// <summary>PN_XNUM: the number of program headers is in the section header.</summary>
    internal const ushort ExtendedCount = 0xffff;

    private readonly ElfTarget _target;
    private readonly IReadOnlyList<ElfNote> _notes;
    private readonly int _notesLength;
    private readonly ElfFields _fields;

    /// <summary>Lays a core out.</summary>
    /// <param name="target">How its fields lie.</param>
    /// <param name="notes">Its notes, in order.</param>
    /// <param name="memory">Its memory, ascending, without overlap.</param>
    /// <param name="mappings">
    /// One PT_LOAD each: <see cref="MemoryMapping.Identity"/>, or the guest's own cut by <see cref="MemoryMapping.Cut(IEnumerable{MemoryMapping}, IReadOnlyList{DumpRange})"/>.
    /// </param>
    public ElfCoreLayout(ElfTarget target, IReadOnlyList<ElfNote> notes, IReadOnlyList<DumpRange> memory, IReadOnlyList<MemoryMapping> mappings)
    {
        ArgumentNullException.ThrowIfNull(notes);
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(mappings);
        _target = target;
        _notes = notes;
        _notesLength = ElfNotes.Measure(notes);
        _fields = new ElfFields(target);
        Memory = memory;
        HasSection = mappings.Count + 1 >= ExtendedCount;
        NotesOffset = _fields.HeaderLength + ((mappings.Count + 1L) * _fields.ProgramHeaderLength) + (HasSection ? _fields.SectionHeaderLength : 0);
        MemoryOffset = NotesOffset + _notesLength;
        Length = MemoryOffset + memory.Sum(range => (long)range.Length);
        Segments = Place(mappings);
    }

    /// <summary>The memory in the file, in its order.</summary>
    public IReadOnlyList<DumpRange> Memory { get; }

    /// <summary>The PT_LOADs.</summary>
    public IReadOnlyList<ElfSegment> Segments { get; }

    /// <summary>Where the notes begin.</summary>
    public long NotesOffset { get; }

    /// <summary>Where the memory begins: octets that <see cref="WriteHead"/> writes.</summary>
    public long MemoryOffset { get; }

    /// <summary>Octets of the file.</summary>
    public long Length { get; }

    private bool HasSection { get; }

    /// <summary>Writes everything in front of the memory.</summary>
    public void WriteHead(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var count = Segments.Count + 1L;
        var programHeaders = _fields.HeaderLength;
        var section = HasSection ? programHeaders + (count * _fields.ProgramHeaderLength) : 0;
        _fields.WriteHeader(output, programHeaders, HasSection ? ExtendedCount : (ushort)count, section);
        _fields.WriteNoteHeader(output, NotesOffset, _notesLength);
        foreach (var segment in Segments) _fields.WriteLoadHeader(output, segment);
        if (HasSection) _fields.WriteSectionHeader(output, (uint)Math.Min(count, uint.MaxValue));
        ElfNotes.Write(_notes, _target.IsBigEndian, output);
    }

    private ElfSegment[] Place(IReadOnlyList<MemoryMapping> mappings)
    {
        // Both lists ascend, so that one walk over the memory serves all mappings.
        var segments = new ElfSegment[mappings.Count];
        var (range, start) = (0, MemoryOffset);
        for (var i = 0; i < segments.Length; i++)
        {
            var mapping = mappings[i];
            if (i > 0 && mapping.Physical < mappings[i - 1].Physical) throw new ArgumentException("mappings ascend by physical address", nameof(mappings));
            while (range < Memory.Count && Memory[range].Last < mapping.Physical) start += (long)Memory[range++].Length;
            segments[i] = range < Memory.Count && Memory[range].Address <= mapping.Physical
                ? new ElfSegment(
                    mapping.Physical, mapping.Virtual, mapping.Length, start + (long)(mapping.Physical - Memory[range].Address),
                    Math.Min(mapping.Length, Memory[range].Last - mapping.Physical + 1))
                : new ElfSegment(mapping.Physical, mapping.Virtual, mapping.Length, -1, 0);
        }
        return segments;
    }
}
