namespace Cutpoint.Formats.Ssm;

/// <summary>How a structure is saved: saved state format, section C.3.</summary>
[Flags]
public enum SavedStateStructureFlags
{
    /// <summary>Markers around it; what is ignorable takes no room.</summary>
    None = 0,

    /// <summary>The fields must cover the structure without a gap.</summary>
    FullStructure = 0x01,

    /// <summary>No markers.</summary>
    NoMarkers = 0x02,

    /// <summary>What is ignorable, host pointers and padding take room.</summary>
    DoNotIgnore = 0x04,

    /// <summary>It was saved as a piece of memory: the upper halves of host pointers may hold anything.</summary>
    SavedAsMemory = 0x08,

    /// <summary>No marker in front.</summary>
    NoLeadMarker = 0x10,

    /// <summary>No marker behind.</summary>
    NoTailMarker = 0x20,

    /// <summary>For structures that were saved as pieces of memory before.</summary>
    MemoryBandAid = FullStructure | MemoryBandAidRelaxed,

    /// <summary>The same for structures that have changed since.</summary>
    MemoryBandAidRelaxed = NoMarkers | DoNotIgnore | SavedAsMemory,
}
