namespace Cutpoint.Formats.Ssm;

/// <summary>Which versions of VirtualBox a table of transformer numbers belongs to.</summary>
public enum SavedStateNumbering
{
    /// <summary>4.2 and newer.</summary>
    Modern,

    /// <summary>3.1 to 4.1.</summary>
    Before42,

    /// <summary>October 2009, between 3.0 and 3.1.</summary>
    Of2009,
}
