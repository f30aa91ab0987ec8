using Cutpoint.Guests;

namespace Cutpoint.Jobs;

/// <summary>How the capture of one guest went. Stored with the checkpoint as JSON; <c>show</c> prints it.</summary>
public sealed record GuestRecord
{
    /// <summary>Version of this record. A reader refuses a newer one.</summary>
    public int Version { get; init; } = 1;

    /// <summary>The transport used.</summary>
    public CaptureTransport Transport { get; init; }

    /// <summary>The strategy used.</summary>
    public CaptureStrategy Strategy { get; init; }

    /// <summary>Why this transport and strategy.</summary>
    public string Reason { get; init; } = "";

    /// <summary>What the capture started from, or why from nothing; null when it was told to start from nothing.</summary>
    public BaseReport? Base { get; init; }

    /// <summary>Every pass, the final one last.</summary>
    public IReadOnlyList<PassReport> Passes { get; init; } = [];

    /// <summary>The cut.</summary>
    public CutReport? Cut { get; init; }
}
