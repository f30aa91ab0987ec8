namespace Cutpoint.Formats.Qemu;

/// <summary>The layout of one field.</summary>
/// <param name="Name">The field's name; QEMU appends "[k]" to names that occur twice.</param>
/// <param name="Type">QEMU's name of the wire type, such as "uint64", "struct", "pci config".</param>
/// <param name="Size">Octets of one element; of a structure with its subsections.</param>
public sealed record FieldDescription(string Name, string Type, int Size)
{
    /// <summary>Elements that follow one another and are described once, or null.</summary>
    public int? ArrayLength { get; init; }

    /// <summary>The element of an array this field is, or null.</summary>
    public int? Index { get; init; }

    /// <summary>The layout inside, for "struct", "vstruct" and "tmp".</summary>
    public StateDescription? State { get; init; }

    /// <summary>Octets on the wire of all elements.</summary>
    public long WireLength => (long)Size * (ArrayLength ?? 1);
}
