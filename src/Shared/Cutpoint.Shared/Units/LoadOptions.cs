namespace Cutpoint.Units;

/// <summary>How units are loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>What becomes of the guest.</summary>
    public LoadAfter After { get; init; } = LoadAfter.Resume;

    /// <summary>Told every whole percent once, from 0 to 100. Called in order, never from two threads at once.</summary>
    public Action<int>? Progress { get; init; }
}
