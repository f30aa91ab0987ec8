using Cutpoint.Jobs;

namespace Cutpoint.Workers.Capture;

/// <summary>What reaches the supervisor of a guest.</summary>
internal abstract record GuestMessage;

/// <summary>The coordinator has spoken.</summary>
internal sealed record Commanded(WorkerCommand Command) : GuestMessage;

/// <summary>An aligning pass has rested long enough.</summary>
internal sealed record AlignmentDue(uint Pass) : GuestMessage;

/// <summary>The guest has been stopped for as long as it may be.</summary>
internal sealed record FreezeLimitReached(int Epoch) : GuestMessage;
