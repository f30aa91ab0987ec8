namespace Cutpoint.Formats.Ber;

/// <summary>What a <see cref="BerSnapshotReader"/> stands on.</summary>
public enum BerSnapshotEvent
{
    /// <summary>Before the first event, or behind the last one.</summary>
    None,

    /// <summary>A section begins: <see cref="BerSnapshotReader.Section"/>.</summary>
    SectionStart,

    /// <summary>The section ends.</summary>
    SectionEnd,

    /// <summary>The block list: <see cref="BerSnapshotReader.RamBlocks"/>.</summary>
    RamBlocks,

    /// <summary>
    /// A RAM entry: <see cref="BerSnapshotReader.RamFlags"/>, and for pages the block, the address and the page or its fill.
    /// </summary>
    RamEntry,

    /// <summary>A state, structure, list or array begins: <see cref="BerSnapshotReader.Tag"/>.</summary>
    GroupStart,

    /// <summary>The innermost group ends.</summary>
    GroupEnd,

    /// <summary>A subsection begins: <see cref="BerSnapshotReader.SubsectionName"/>; its state follows as a group.</summary>
    SubsectionStart,

    /// <summary>The subsection ends.</summary>
    SubsectionEnd,

    /// <summary>An integer: <see cref="BerSnapshotReader.Integer"/>.</summary>
    Integer,

    /// <summary>A boolean: <see cref="BerSnapshotReader.Boolean"/>.</summary>
    Boolean,

    /// <summary>A string: <see cref="BerSnapshotReader.Contents"/>.</summary>
    Text,

    /// <summary>
    /// A buffer or blob, or a piece of one: <see cref="BerSnapshotReader.Contents"/>. Pieces follow each other until
    /// <see cref="BerSnapshotReader.IsFinalPiece"/>.
    /// </summary>
    Octets,
}
