using Cutpoint.Guests;

namespace Cutpoint.Jobs;

/// <summary>What a checkpoint job is to do. Immutable, and the first thing a journal holds of a job.</summary>
public sealed record JobPlan
{
    /// <summary>Version of this record. A reader refuses a newer one.</summary>
    public int Version { get; init; } = 1;

    /// <summary>The job's identity, and that of the checkpoint it makes.</summary>
    public required string JobId { get; init; }

    /// <summary>The guests, at least one, with names that differ.</summary>
    public required IReadOnlyList<GuestPlan> Guests { get; init; }

    /// <summary>How each guest is captured.</summary>
    public CaptureOptions Options { get; init; } = new();

    /// <summary>Codec of the sections: <c>zstd[:LEVEL]</c>, <c>lz4</c> or <c>none</c>.</summary>
    public string Codec { get; init; } = "zstd";

    /// <summary>The checkpoint's name, when the user gave one.</summary>
    public string? Name { get; init; }

    /// <summary>Labels of the checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>How often the cut may be tried before the job fails, at least 1.</summary>
    public int CutAttempts { get; init; } = 3;
}
