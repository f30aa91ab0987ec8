namespace Cutpoint.Formats.Ber;

/// <summary>Flags of a RAM entry: what it holds. The values are those of the binary stream.</summary>
[Flags]
public enum BerRamFlags
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A page filled with one octet, which is given.</summary>
    Zero = 0x02,

    /// <summary>The block list; the address is the sum of the lengths.</summary>
    BlockList = 0x04,

    /// <summary>A page.</summary>
    Page = 0x08,

    /// <summary>End of a section's entries; not needed, for the list is closed anyway.</summary>
    EndOfSection = 0x10,

    /// <summary>The block is that of the entry before; no name is given.</summary>
    Continue = 0x20,

    /// <summary>A page as its difference to what was sent before.</summary>
    Xbzrle = 0x40,

    /// <summary>A mark of other transports, without content.</summary>
    Hook = 0x80,
}
