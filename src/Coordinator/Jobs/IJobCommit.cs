namespace Cutpoint.Coordinator.Jobs;

/// <summary>The one write that makes a checkpoint exist.</summary>
public interface IJobCommit
{
    /// <summary>
    /// Makes the checkpoint visible as a whole, or throws and leaves nothing visible. When cancelled it may do either, but says which by returning or throwing.
    /// </summary>
    Task CommitAsync(JobState job, CancellationToken cancellation);

    /// <summary>Forgets what was stored for a job that is aborted.</summary>
    Task DiscardAsync(JobState job);
}
