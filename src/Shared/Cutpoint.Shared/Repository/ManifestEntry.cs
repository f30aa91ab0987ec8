namespace Cutpoint.Repository;

/// <summary>Pages of one extent that are stored in one extent of a section.</summary>
/// <param name="Place">Number of the section in the manifest, times 16, plus the number of the extent within the section.</param>
/// <param name="Mask">The pages; a part of those the section has there.</param>
internal readonly record struct ManifestEntry(uint Place, ulong Mask)
{
    /// <summary>Sections a manifest can number: 64 TiB of guest memory.</summary>
    public const int MaxSections = 1 << 24;

    public int Section => (int)(Place >> 4);

    public int Ordinal => (int)(Place & 15);

    public static uint PlaceOf(int section, int ordinal) => ((uint)section << 4) | (uint)ordinal;
}
