namespace Cutpoint.Jobs;

/// <summary>The stored guest a capture started from: pages that are the same were not stored again. The checkpoint made stands without it.</summary>
public sealed record BaseReport
{
    /// <summary>The base's checkpoint; null when the capture started from nothing.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>The guest's name there.</summary>
    public string? Guest { get; init; }

    /// <summary>Why this base, or why none, in a few words for people.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Pages of it that were known.</summary>
    public long Pages { get; init; }

    /// <summary>Sections of it that were missing or damaged; their pages were stored again.</summary>
    public int LostSections { get; init; }
}
