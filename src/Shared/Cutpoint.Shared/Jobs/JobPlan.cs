using Cutpoint.Guests;

namespace Cutpoint.Jobs;

/// <summary>What a checkpoint job is to do. Immutable, and the first thing a journal holds of a job.</summary>
public sealed record JobPlan
{
    /// <summary>A value of <see cref="Base"/>.</summary>
    public const string LatestBase = "latest";

    /// <summary>A value of <see cref="Base"/>.</summary>
    public const string NoBase = "none";

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

    /// <summary>
    /// The checkpoint to start from, so that only pages that differ are stored: <see cref="LatestBase"/> is each guest's own latest one if there is any,
    /// <see cref="NoBase"/> none, anything else names a checkpoint.
    /// </summary>
    public string Base { get; init; } = LatestBase;

    /// <summary>The checkpoint's name, when the user gave one.</summary>
    public string? Name { get; init; }

    /// <summary>Labels of the checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Guests that may fail without ending the job: they are then missing in the checkpoint, which says so. At least one guest is always taken, and the
    /// cut of those that are taken is as true as that of all.
    /// </summary>
    public int Tolerate { get; init; }

    /// <summary>How often the cut may be tried before the job fails, at least 1.</summary>
    public int CutAttempts { get; init; } = 3;

    /// <summary>Refuses a plan nobody can carry out.</summary>
    /// <exception cref="SnapshotException">What is wrong (<see cref="ErrorCode.Usage"/>); found before anything was changed.</exception>
    public void Check()
    {
        if (Version > 1) throw Wrong($"the plan has version {Version}, known is 1", "use a newer cutpoint");
        if (Guests.Count == 0) throw Wrong("no guest is named", "name at least one guest URI");
        if (Guests.GroupBy(g => g.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Wrong($"two guests are named '{twice.Key}'", "give each guest a name of its own");
        foreach (var guest in Guests) GuestUri.Parse(guest.Uri);
        if (Options.MaxPasses == 0) throw Wrong("no pass is allowed", "allow at least one pass, or use --strategy stop");
        if (Options.FreezeLimit <= TimeSpan.Zero) throw Wrong("the freeze limit is not above zero", "allow at least a second");
        if (Options.Downtime is { } downtime && (downtime <= TimeSpan.Zero || downtime > Options.FreezeLimit))
            throw Wrong("the downtime must be above zero and not above the freeze limit", "raise --freeze-limit, or lower --downtime");
        if (Tolerate < 0 || (Tolerate > 0 && Tolerate >= Guests.Count))
            throw Wrong($"{Tolerate} of {Guests.Count} guests may fail, which leaves none", "tolerate fewer guests than there are");
        if (CutAttempts < 1) throw Wrong("no attempt to cut is allowed", "allow at least one");
    }

    private static SnapshotException Wrong(string what, string advice) => new(ErrorCode.Usage, what, advice) { IsPreflight = true };
}
