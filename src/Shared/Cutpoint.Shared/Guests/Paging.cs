namespace Cutpoint.Guests;

/// <summary>The fixed sizes of the data way: pages make extents, extents make sections.</summary>
public static class Paging
{
    /// <summary>Octets in a guest page. Every x86 guest has pages of 4 KiB.</summary>
    public const int PageSize = 4096;

    /// <summary>Pages in an extent: as many as a 64-bit mask has bits.</summary>
    public const int PagesPerExtent = 64;

    /// <summary>Octets in an extent, 256 KiB.</summary>
    public const int ExtentSize = PageSize * PagesPerExtent;

    /// <summary>The most extents one section holds.</summary>
    public const int ExtentsPerSection = 16;

    /// <summary>The most page octets one section holds, 4 MiB.</summary>
    public const int SectionSize = ExtentSize * ExtentsPerSection;

    /// <summary>The most pages one section holds.</summary>
    public const int PagesPerSection = PagesPerExtent * ExtentsPerSection;
}
