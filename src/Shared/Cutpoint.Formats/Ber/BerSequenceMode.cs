namespace Cutpoint.Formats.Ber;

/// <summary>The kinds of sequence of the snapshot format: what a writer has open, innermost last.</summary>
public enum BerSequenceMode
{
    /// <summary>Outside of the file.</summary>
    None,

    /// <summary>The file: stream version, then the list of sections.</summary>
    File,

    /// <summary>The list of sections ("top").</summary>
    Top,

    /// <summary>An opening section.</summary>
    OpeningSection,

    /// <summary>A continuing section.</summary>
    ContinuingSection,

    /// <summary>A list of RAM entries.</summary>
    RamList,

    /// <summary>One RAM entry.</summary>
    RamEntry,

    /// <summary>The state of a device or a subsection.</summary>
    State,

    /// <summary>A list of subsections.</summary>
    SubsectionList,

    /// <summary>One subsection.</summary>
    Subsection,

    /// <summary>The state of a device in its own binary format, as one OCTET STRING.</summary>
    Blob,

    /// <summary>A structure inside of a state.</summary>
    Struct,

    /// <summary>A list inside of a state; the number of elements is not announced.</summary>
    List,

    /// <summary>An array inside of a state; the number of elements is known to the writer.</summary>
    Array,
}
