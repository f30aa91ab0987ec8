namespace Cutpoint.Formats.Ber;

/// <summary>A BER tag: class and number. Whether a value is constructed is a property of its header, not of its tag.</summary>
/// <param name="Class">Class of the tag.</param>
/// <param name="Number">Number of the tag, at most 32 bits wide.</param>
public readonly record struct BerTag(BerTagClass Class, uint Number)
{
    /// <summary>Universal 0, the tag of the two zero octets that close a value of indefinite length.</summary>
    public static BerTag EndOfContents => new(BerTagClass.Universal, 0);

    /// <summary>Universal 1.</summary>
    public static BerTag Boolean => new(BerTagClass.Universal, 1);

    /// <summary>Universal 2.</summary>
    public static BerTag Integer => new(BerTagClass.Universal, 2);

    /// <summary>Universal 4.</summary>
    public static BerTag OctetString => new(BerTagClass.Universal, 4);

    /// <summary>Universal 5.</summary>
    public static BerTag Null => new(BerTagClass.Universal, 5);

    /// <summary>Universal 12.</summary>
    public static BerTag Utf8String => new(BerTagClass.Universal, 12);

    /// <summary>Universal 16.</summary>
    public static BerTag Sequence => new(BerTagClass.Universal, 16);

    /// <summary>Universal 17.</summary>
    public static BerTag Set => new(BerTagClass.Universal, 17);

    /// <summary>A tag of class APPLICATION.</summary>
    /// <param name="number">Number of the tag.</param>
    public static BerTag Application(uint number) => new(BerTagClass.Application, number);

    /// <summary>The tag as ASN.1 writes it: <c>INTEGER</c>, <c>[APPLICATION 2003]</c>.</summary>
    public override string ToString() => Class switch
    {
        BerTagClass.Universal => Number switch
        {
            0 => "end-of-contents",
            1 => "BOOLEAN",
            2 => "INTEGER",
            4 => "OCTET STRING",
            5 => "NULL",
            12 => "UTF8String",
            16 => "SEQUENCE",
            17 => "SET",
            _ => $"[UNIVERSAL {Number}]",
        },
        BerTagClass.Application => $"[APPLICATION {Number}]",
        BerTagClass.Private => $"[PRIVATE {Number}]",
        _ => $"[{Number}]",
    };
}
