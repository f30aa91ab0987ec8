namespace Cutpoint.Formats.Elf;

/// <summary>What an ELF core says in front of its memory.</summary>
/// <param name="Target">How its fields lie.</param>
/// <param name="Notes">Its notes.</param>
/// <param name="Segments">Its memory, in the order of the file's headers.</param>
public sealed record ElfCore(ElfTarget Target, IReadOnlyList<ElfNote> Notes, IReadOnlyList<ElfSegment> Segments)
{
    /// <summary>Recognises an ELF file by its first octets.</summary>
    public static bool Matches(ReadOnlySpan<byte> head) => head.StartsWith(ElfFields.Magic);
}
