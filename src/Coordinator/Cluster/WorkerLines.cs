using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>What the lines of one job to its workers have in common.</summary>
public sealed record WorkerLines
{
    /// <summary>The job.</summary>
    public required JobPlan Plan { get; init; }

    /// <summary>Which coordinator of the job this is.</summary>
    public required int Epoch { get; init; }

    /// <summary>The secret of the cluster.</summary>
    public required NodeSecret Secret { get; init; }

    /// <summary>Where the nodes listen that the plan names.</summary>
    public required IReadOnlyDictionary<string, NodeAddress> Addresses { get; init; }

    /// <summary>Makes a guest's place in the checkpoint.</summary>
    public required Func<GuestDescription, CancellationToken, ValueTask<CheckpointGuestStore>> OpenStore { get; init; }

    /// <summary>Says which of some checkpoints are not in the job's repository and cannot come into being any more: workers keep overlays of disks for the others.</summary>
    public required Func<IReadOnlyList<string>, CancellationToken, Task<IReadOnlySet<string>>> Missing { get; init; }

    /// <summary>Whom to tell how it goes, or null.</summary>
    public IProgress<JobProgress>? Progress { get; init; }

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }
}
