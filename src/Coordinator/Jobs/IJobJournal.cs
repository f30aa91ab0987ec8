namespace Cutpoint.Coordinator.Jobs;

/// <summary>What has happened in one job, kept so that another process can go on from it, and the words of others to whoever runs it.</summary>
public interface IJobJournal
{
    /// <summary>Appends events, all or none. When this returns they survive the end of the process.</summary>
    /// <exception cref="SnapshotException">They could not be written, or another process has taken the job over (<see cref="ErrorCode.Locked"/>).</exception>
    Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation);

    /// <summary>Waits for the next message to the job.</summary>
    Task<JobMessage> ReceiveAsync(CancellationToken cancellation);
}
