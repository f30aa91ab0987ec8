namespace Cutpoint.Formats.Ssm;

/// <summary>Versions of the saved state format that can be read. 2.0 is written.</summary>
public enum SavedStateFormat
{
    /// <summary>1.1, of 2006: units compressed as a whole, patched sizes.</summary>
    V11,

    /// <summary>1.2, of 2009: as 1.1, with the writer's version and sizes in the header.</summary>
    V12,

    /// <summary>2.0: records, checksums, a directory; can be streamed.</summary>
    V20,
}
