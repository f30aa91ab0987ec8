using System.Text.Json.Serialization;
using Cutpoint.Units;

namespace Cutpoint.Jobs;

/// <summary>What one pass over a guest did. Stored with the checkpoint.</summary>
public sealed record PassReport
{
    /// <summary>Number of the pass, from 0.</summary>
    public required uint Pass { get; init; }

    /// <summary>True for the pass at the cut.</summary>
    public bool IsFinal { get; init; }

    /// <summary>True for a pass made while others of the group were not so far; only the last one of a row is kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsAligning { get; init; }

    /// <summary>When it began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took, votes included.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Pages looked at: copied or compared.</summary>
    public long PagesRead { get; init; }

    /// <summary>Pages that were new and not zero; they are stored.</summary>
    public long PagesChanged { get; init; }

    /// <summary>Pages that had become zero; a mask bit each is stored.</summary>
    public long PagesZeroed { get; init; }

    /// <summary>Octets appended to the repository while the pass ran, after compression.</summary>
    public long BytesStored { get; init; }

    /// <summary>Octets of guest pages per second the sink took, over a recent window.</summary>
    public double SinkBytesPerSecond { get; init; }

    /// <summary>Octets of guest pages per second that were read, compared and hashed.</summary>
    public double ReadBytesPerSecond { get; init; }

    /// <summary>The votes after the pass, each with its numbers.</summary>
    public IReadOnlyList<Vote> Votes { get; init; } = [];

    /// <summary>The longest pause any unit predicted after this pass.</summary>
    public TimeSpan? PredictedPause { get; init; }
}
