using System.Buffers;
using System.Text;

namespace Cutpoint.Formats.Elf;

/// <summary>Notes as octets: length of the name with its zero, length of the contents, type, name, contents; both padded to 4 octets in either class.</summary>
public static class ElfNotes
{
    internal const int HeaderLength = 12;

    private const int Alignment = 4;

    /// <summary>Names are a word; a longer one is no note.</summary>
    private const int MaxNameLength = 256;

    /// <summary>Octets of some notes.</summary>
    public static int Measure(IEnumerable<ElfNote> notes)
    {
        ArgumentNullException.ThrowIfNull(notes);
        return notes.Sum(note => HeaderLength + Align(note.Name.Length + 1) + Align(note.Contents.Length));
    }

    /// <summary>Writes notes.</summary>
    /// <param name="notes">The notes, in order; names are ASCII.</param>
    /// <param name="isBigEndian">Order of the octets in the fields.</param>
    /// <param name="output">Takes them.</param>
    public static void Write(IEnumerable<ElfNote> notes, bool isBigEndian, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(notes);
        ArgumentNullException.ThrowIfNull(output);
        var order = new WordOrder(isBigEndian);
        foreach (var note in notes)
        {
            var nameLength = note.Name.Length + 1;
            var length = HeaderLength + Align(nameLength) + Align(note.Contents.Length);
            var at = output.GetSpan(length)[..length];
            at.Clear();
            order.Put32(at, (uint)nameLength);
            order.Put32(at[4..], (uint)note.Contents.Length);
            order.Put32(at[8..], note.Type);
            Encoding.ASCII.GetBytes(note.Name, at[HeaderLength..]);
            note.Contents.Span.CopyTo(at[(HeaderLength + Align(nameLength))..]);
            output.Advance(length);
        }
    }

    /// <summary>Reads notes.</summary>
    /// <param name="octets">All of them; the result refers to these octets.</param>
    /// <param name="isBigEndian">Order of the octets in the fields.</param>
    /// <param name="offset">Where they begin in the file, for errors.</param>
    /// <exception cref="MalformedInputException">A note reaches beyond the octets.</exception>
    public static IReadOnlyList<ElfNote> Read(ReadOnlyMemory<byte> octets, bool isBigEndian, long offset)
    {
        var order = new WordOrder(isBigEndian);
        List<ElfNote> notes = [];
        var at = 0;
        while (octets.Length - at >= HeaderLength)
        {
            var header = octets.Span[at..];
            var (nameLength, length, type) = (order.Get32(header), order.Get32(header[4..]), order.Get32(header[8..]));
            if (nameLength > MaxNameLength) throw ElfError.Create(offset + at, $"a note has a name of {nameLength} octets");
            var contents = at + HeaderLength + Align((int)nameLength);
            if (contents > octets.Length || length > (uint)(octets.Length - contents))
                throw ElfError.Create(offset + at, $"a note of {length} octets reaches beyond the {octets.Length} octets of all notes");
            var name = Encoding.ASCII.GetString(header.Slice(HeaderLength, (int)nameLength)).TrimEnd('\0');
            notes.Add(new ElfNote(name, type, octets.Slice(contents, (int)length)));
            // The padding of the last note may be missing.
            at = Math.Min(contents + Align((int)length), octets.Length);
        }
        return at == octets.Length ? notes : throw ElfError.Create(offset + at, "a note is cut short");
    }

    private static int Align(int length) => (length + Alignment - 1) & ~(Alignment - 1);
}
