namespace Cutpoint.Repository;

/// <summary>What a section holds. The numbers are those of the pack format.</summary>
public enum SectionKind
{
    /// <summary>Guest pages, up to 16 extents of them.</summary>
    Pages = 0,

    /// <summary>Octets that only their unit understands.</summary>
    State = 1,
}
