namespace Cutpoint.Guests;

/// <summary>One RAM block of a guest. It is a unit with pages.</summary>
/// <param name="Name">The name the guest's machine gives it, such as "pc.ram".</param>
/// <param name="Length">Octets; a multiple of the page size.</param>
/// <param name="IsReadOnly">True for ROM: the guest cannot write it by itself.</param>
public sealed record RamBlock(string Name, long Length, bool IsReadOnly = false)
{
    /// <summary>Pages in the block.</summary>
    public long PageCount => Length / Paging.PageSize;

    /// <summary>Extents in the block; the last may be short.</summary>
    public int ExtentCount => checked((int)((Length + Paging.ExtentSize - 1) / Paging.ExtentSize));
}
