using System.Collections.Immutable;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>All that is known of a job: the fold of its events.</summary>
public sealed record JobState
{
    private JobState()
    {
    }

    /// <summary>What is to be done.</summary>
    public required JobPlan Plan { get; init; }

    /// <summary>Where the job stands.</summary>
    public JobPhase Phase { get; init; }

    /// <summary>Number of the last pass that was started.</summary>
    public uint Pass { get; init; }

    /// <summary>Number of the last attempt to cut; 0 before the first.</summary>
    public int Epoch { get; init; }

    /// <summary>Why the cut under way cannot be true any more, or null while it can.</summary>
    public string? VoidReason { get; init; }

    /// <summary>True from the moment the cut was proved: every guest was stopped over one common interval.</summary>
    public bool IsCertified { get; init; }

    /// <summary>Time between the first guest's stop and the last one's.</summary>
    public TimeSpan Skew { get; init; }

    /// <summary>Why the job failed.</summary>
    public JobError? Error { get; init; }

    /// <summary>The guests, in the order of the plan.</summary>
    public ImmutableArray<GuestProgress> Guests { get; init; } = [];

    /// <summary>True when nothing more will happen.</summary>
    public bool IsOver =>
        Phase is JobPhase.Committed or JobPhase.Aborted && Guests.All(g => g.Stage is GuestStage.Closed);

    /// <summary>A job of which nothing was done yet.</summary>
    public static JobState New(JobPlan plan) => new()
    {
        Plan = plan,
        Guests = [.. plan.Guests.Select(g => new GuestProgress(g.Name, g.Uri))],
    };

    /// <summary>The guest of that name.</summary>
    public GuestProgress? Find(string guest) => Guests.FirstOrDefault(g => g.Name == guest);

    /// <summary>The same state with one guest changed.</summary>
    internal JobState With(string guest, Func<GuestProgress, GuestProgress> change) =>
        this with { Guests = [.. Guests.Select(g => g.Name == guest ? change(g) : g)] };

    /// <summary>The same state with every guest changed that is meant.</summary>
    internal JobState WithAll(Func<GuestProgress, bool> which, GuestStage stage) =>
        this with { Guests = [.. Guests.Select(g => which(g) ? g with { Stage = stage } : g)] };
}
