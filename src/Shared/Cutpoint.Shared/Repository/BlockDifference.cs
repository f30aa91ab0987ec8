namespace Cutpoint.Repository;

/// <summary>How the contents of a RAM block differ between two stored guests.</summary>
/// <param name="Name">The block's name; that of the second guest where the two have other names for it.</param>
/// <param name="LengthBefore">Octets in the first guest; null when it has no such block.</param>
/// <param name="LengthAfter">Octets in the second guest; null when it has no such block.</param>
/// <param name="Changed">Pages that are not zero in either and differ.</param>
/// <param name="Filled">Pages that are zero in the first only.</param>
/// <param name="Zeroed">Pages that are zero in the second only.</param>
public sealed record BlockDifference(string Name, long? LengthBefore, long? LengthAfter, long Changed, long Filled, long Zeroed)
{
    /// <summary>Pages that differ.</summary>
    public long Pages => Changed + Filled + Zeroed;
}
