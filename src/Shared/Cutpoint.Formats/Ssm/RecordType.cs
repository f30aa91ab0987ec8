namespace Cutpoint.Formats.Ssm;

/// <summary>Types of the records a unit's data are cut into: saved state format, section D.3.</summary>
internal enum RecordType
{
    Terminator = 1,
    Raw = 2,
    Compressed = 3,
    Zero = 4,
    Named = 5,
}
