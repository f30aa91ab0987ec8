namespace Cutpoint.Coordinator.Jobs;

/// <summary>What follows from one message: first the events are written down and applied, then the actions are done.</summary>
/// <param name="Events">What has happened, in order.</param>
/// <param name="Actions">What to do about it, in order.</param>
public sealed record JobDecision(IReadOnlyList<JobEvent> Events, IReadOnlyList<JobAction> Actions)
{
    /// <summary>Nothing follows.</summary>
    public static JobDecision None { get; } = new([], []);
}
