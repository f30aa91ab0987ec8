namespace Cutpoint.Formats.Qemu;

/// <summary>The layout of one state structure: its fields in order, then its subsections.</summary>
/// <param name="Name">QEMU's name of the structure; empty for state without one (old-style devices).</param>
/// <param name="Version">Version of the structure.</param>
/// <param name="Fields">The fields, back to back on the wire.</param>
/// <param name="Subsections">Parts that follow the fields, each with its own header on the wire.</param>
public sealed record StateDescription(
    string Name, int Version, IReadOnlyList<FieldDescription> Fields, IReadOnlyList<StateDescription> Subsections)
{
    /// <summary>Octets on the wire of a subsection's header: mark, length of the name, name, version.</summary>
    internal static int SubsectionHeaderLength(string name) => 1 + 1 + System.Text.Encoding.UTF8.GetByteCount(name) + 4;

    /// <summary>
    /// Octets on the wire, by the sizes of the fields themselves: what a field of type "struct" holds inside does not count again.
    /// Saturates at <see cref="long.MaxValue"/>, which no payload has.
    /// </summary>
    public long WireLength
    {
        get
        {
            var sum = 0L;
            foreach (var member in Fields) sum = Add(sum, member.WireLength);
            foreach (var part in Subsections) sum = Add(Add(sum, SubsectionHeaderLength(part.Name)), part.WireLength);
            return sum;
        }
    }

    /// <summary>
    /// True when an array of structures is described by its first element alone, at any depth. Up to QEMU 9.2 such a description is wrong
    /// where some of the
    /// array's pointers are null.
    /// </summary>
    internal bool HasStructureArray =>
        Fields.Any(f => f.State is { } state && (f.ArrayLength > 1 || state.HasStructureArray)) ||
        Subsections.Any(s => s.HasStructureArray);

    private static long Add(long a, long b) => a > long.MaxValue - b ? long.MaxValue : a + b;
}
