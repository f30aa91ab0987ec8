using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Capture;

/// <summary>What a guest's supervisor knows of the worker around it.</summary>
internal sealed class SupervisorContext
{
    public required string JobId { get; init; }

    public required string Guest { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Cancelled when the guest is to be closed: whatever is under way ends.</summary>
    public required CancellationToken Closing { get; init; }

    /// <summary>The driver of a guest.</summary>
    public required Func<GuestUri, IGuestDriver> DriverOf { get; init; }

    /// <summary>Where the guest's state goes.</summary>
    public required Func<GuestDescription, CancellationToken, ValueTask<IGuestStore>> OpenStore { get; init; }

    /// <summary>The stops of the job's guests on this worker.</summary>
    public required StopBarrier Stops { get; init; }

    /// <summary>Tells the coordinator.</summary>
    public required Func<WorkerReport, ValueTask> ReportAsync { get; init; }

    /// <summary>Tells whoever watches.</summary>
    public required Action<JobProgress> Report { get; init; }

    /// <summary>Posts to the supervisor's own control lane; any thread.</summary>
    public required Action<GuestMessage> PostControl { get; init; }
}
