using System.Collections.Frozen;
using System.Collections.Immutable;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>All that is known of a job: the fold of its events.</summary>
public sealed record JobState
{
    private readonly FrozenDictionary<string, int> _places;
    private StageCounts _counts;

    private JobState(JobPlan plan)
    {
        Plan = plan;
        Guests = [.. plan.Guests.Select(g => new GuestProgress(g.Name, g.Uri))];
        _places = Enumerable.Range(0, Guests.Count).ToFrozenDictionary(i => Guests[i].Name, StringComparer.Ordinal);
        _counts = StageCounts.Planned(Guests.Count);
    }

    /// <summary>What is to be done.</summary>
    public JobPlan Plan { get; init; }

    /// <summary>Where the job stands.</summary>
    public JobPhase Phase { get; init; }

    /// <summary>Number of the last pass that was started over all guests that take passes.</summary>
    public uint Pass { get; init; }

    /// <summary>How many passes were started over all guests that take passes.</summary>
    public uint Rounds { get; init; }

    /// <summary>Of them, how many were started before the last cut that was void: what they found is no measure of what comes after it.</summary>
    public uint RoundsBefore { get; init; }

    /// <summary>Number of the last attempt to cut; 0 before the first.</summary>
    public int Epoch { get; init; }

    /// <summary>Which process runs the job: 1 for the one that began it, one more for each that went on with it.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>Attempts to cut that were made before this process: epochs rise over all of them, but each process may try anew.</summary>
    public int EpochsBefore { get; init; }

    /// <summary>Why the cut under way cannot be true any more, or null while it can.</summary>
    public string? VoidReason { get; init; }

    /// <summary>True from the moment the cut was proved: every guest was stopped over one common interval.</summary>
    public bool IsCertified { get; init; }

    /// <summary>Time between the first guest's stop and the last one's.</summary>
    public TimeSpan Skew { get; init; }

    /// <summary>Why the job failed.</summary>
    public JobError? Error { get; init; }

    /// <summary>The guests, in the order of the plan. A tree: changing one of a thousand does not copy the others.</summary>
    public ImmutableList<GuestProgress> Guests { get; private init; }

    /// <summary>The guests that are to be in the checkpoint.</summary>
    public IEnumerable<GuestProgress> Present => Guests.Where(g => g.Missing is null);

    /// <summary>Guests the job goes on without.</summary>
    public int MissingCount => _counts.Missing;

    /// <summary>True when the capture of every guest has ended.</summary>
    internal bool IsClosed => _counts.Closed == Guests.Count;

    /// <summary>True when nothing more will happen, unless another process goes on.</summary>
    public bool IsOver => Phase is JobPhase.Committed or JobPhase.Aborted or JobPhase.Interrupted && IsClosed;

    /// <summary>True when a guest may stand still by this job's doing: nothing waits for a disk then.</summary>
    public bool MayHoldGuests => In(GuestStage.Stopping) + In(GuestStage.Held) + In(GuestStage.Releasing) > 0;

    /// <summary>What a checkpoint tells of the job.</summary>
    public JobRecord Record => new()
    {
        Skew = Skew,
        LongestPause = Present.Max(g => g.Cut?.Pause),
        Attempts = Epoch,
        Missing = [.. Guests.Select(g => g.Missing).OfType<MissingGuest>()],
    };

    /// <summary>A job of which nothing was done yet.</summary>
    public static JobState New(JobPlan plan) => new(plan);

    /// <summary>The guest of that name.</summary>
    public GuestProgress? Find(string guest) => _places.TryGetValue(guest, out var place) ? Guests[place] : null;

    /// <summary>How many of the guests that are to be in the checkpoint stand there.</summary>
    internal int In(GuestStage stage) => _counts[stage];

    /// <summary>True when every guest that is to be in the checkpoint stands there.</summary>
    internal bool AllIn(GuestStage stage) => _counts[stage] == Guests.Count - _counts.Missing;

    /// <summary>The same state with one guest changed.</summary>
    internal JobState With(string guest, Func<GuestProgress, GuestProgress> change)
    {
        if (!_places.TryGetValue(guest, out var place)) return this;
        var now = change(Guests[place]);
        return this with { Guests = Guests.SetItem(place, now), _counts = _counts.After(Guests[place], now) };
    }

    /// <summary>The same state with every guest changed that is meant; guests the job goes on without only when it ends.</summary>
    internal JobState WithAll(Func<GuestProgress, bool> which, Func<GuestProgress, GuestProgress> change)
    {
        var counts = _counts;
        var guests = Guests.ConvertAll(guest =>
        {
            if ((guest.Missing is not null && Phase is not JobPhase.Aborting) || !which(guest)) return guest;
            var now = change(guest);
            counts = counts.After(guest, now);
            return now;
        });
        return this with { Guests = guests, _counts = counts };
    }

    /// <summary>The same state with every guest that is meant at a stage.</summary>
    internal JobState WithAll(Func<GuestProgress, bool> which, GuestStage stage) => WithAll(which, g => g with { Stage = stage });
}
