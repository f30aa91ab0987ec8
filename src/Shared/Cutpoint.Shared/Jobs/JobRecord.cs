namespace Cutpoint.Jobs;

/// <summary>How the job went as a whole. Stored with the checkpoint as JSON; <c>show</c> and <c>list</c> print it.</summary>
public sealed record JobRecord
{
    /// <summary>Version of this record. A reader refuses a newer one.</summary>
    public int Version { get; init; } = 1;

    /// <summary>Between the first guest's stop and the last one's; zero for one guest alone.</summary>
    public TimeSpan Skew { get; init; }

    /// <summary>The longest pause of any of its guests; null when none ran on.</summary>
    public TimeSpan? LongestPause { get; init; }

    /// <summary>How often the cut was tried until it was true; 0 for guests that were imported.</summary>
    public int Attempts { get; init; }

    /// <summary>Guests that were asked for and are not in the checkpoint.</summary>
    public IReadOnlyList<MissingGuest> Missing { get; init; } = [];
}
