namespace Cutpoint.Formats.Ber;

/// <summary>The class of a BER tag: the upper two bits of the first identifier octet (X.690, 8.1.2.2).</summary>
public enum BerTagClass
{
    /// <summary>Types of ASN.1 itself.</summary>
    Universal = 0x00,

    /// <summary>Types of one application; all types of the snapshot grammar are of this class.</summary>
    Application = 0x40,

    /// <summary>Types whose meaning depends on the enclosing type.</summary>
    Context = 0x80,

    /// <summary>Types of one enterprise.</summary>
    Private = 0xc0,
}
