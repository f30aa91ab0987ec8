namespace Cutpoint.Formats.Ber;

/// <summary>
/// Facts of the BER snapshot format ("QEMU file BER", stream version 3): tags, and the limits a reader keeps before it allocates.
/// </summary>
/// <remarks>
/// <code>
/// file       [A 1270481] { INTEGER 3, SEQUENCE { section* } }
/// opening    [A 2003]    { name, section id, instance id, version id, body }
/// continuing [A 211]     { section id, body }
/// body       RAM list | state | OCTET STRING
/// RAM list   [A 9810]    { [A 8914] { address, flags, block name?, block list | fill | page }* }
/// state      SEQUENCE or [A n] { item*, [A 10700] { [A 10707] { name, version id, state }* }? }
/// </code>
/// Invariants: sections of one id begin with the opening one; a RAM entry without a name belongs to the block of the entry before it.
/// </remarks>
public static class BerSnapshot
{
    /// <summary>The stream version; there is no other.</summary>
    public const uint StreamVersion = 3;

    /// <summary>Octets of a section, block or subsection name; names have at least one.</summary>
    public const int MaxNameLength = 255;

    /// <summary>Octets of a page that are taken: the largest page of a guest architecture.</summary>
    public const int MaxPageSize = BerReader.MaxBufferedLength;

    /// <summary>Blocks of one block list.</summary>
    public const int MaxRamBlocks = 4096;

    /// <summary>Different section ids of one file.</summary>
    public const int MaxSections = 16384;

    /// <summary>Items of one device's state that are held in memory, see <see cref="BerSnapshotReader.ReadState"/>.</summary>
    public const int MaxStateItems = 1 << 19;

    /// <summary>Octets of one device's state that are held in memory, see <see cref="BerSnapshotReader.ReadState"/>.</summary>
    public const int MaxStateLength = 64 << 20;

    /// <summary>The whole file.</summary>
    public static BerTag File => BerTag.Application(1270481);

    /// <summary>A section that names its unit: START and FULL of the binary stream.</summary>
    public static BerTag OpeningSection => BerTag.Application(2003);

    /// <summary>A further section of a unit: PART and END of the binary stream.</summary>
    public static BerTag ContinuingSection => BerTag.Application(211);

    /// <summary>A list of RAM entries.</summary>
    public static BerTag RamList => BerTag.Application(9810);

    /// <summary>One RAM entry.</summary>
    public static BerTag RamEntry => BerTag.Application(8914);

    /// <summary>A list of subsections.</summary>
    public static BerTag SubsectionList => BerTag.Application(10700);

    /// <summary>One subsection.</summary>
    public static BerTag Subsection => BerTag.Application(10707);

    /// <summary>The typed state of "cpu_common": exactly two integers.</summary>
    public static BerTag CpuCommon => BerTag.Application(20000);

    /// <summary>True for the tags that mean something else than the state of a device.</summary>
    /// <param name="tag">Any tag.</param>
    public static bool IsStructural(BerTag tag) =>
        tag.Class == BerTagClass.Application && tag.Number is 1270481 or 2003 or 211 or 9810 or 8914 or 10700 or 10707;
}
