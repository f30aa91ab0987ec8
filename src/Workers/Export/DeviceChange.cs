namespace Cutpoint.Workers.Export;

/// <summary>How a device of one stored guest relates to that of another.</summary>
public enum DeviceChange
{
    /// <summary>Both have it, in different states.</summary>
    Changed,

    /// <summary>Only the second has it.</summary>
    Added,

    /// <summary>Only the first has it.</summary>
    Removed,
}
