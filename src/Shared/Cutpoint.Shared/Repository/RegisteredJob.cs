namespace Cutpoint.Repository;

/// <summary>A job that has not ended, as its registration tells.</summary>
/// <param name="Id">The job.</param>
/// <param name="Owner">Who runs it, or ran it; null when that cannot be told.</param>
/// <param name="IsAlive">True while its process lives, as far as that can be seen.</param>
/// <param name="IsResumable">True when what it wrote stays after its process has died.</param>
internal sealed record RegisteredJob(Ulid Id, JobOwner? Owner, bool IsAlive, bool IsResumable)
{
    /// <summary>True when what it wrote belongs to it still: it runs, or another process may go on with it.</summary>
    public bool IsOpen => IsAlive || IsResumable;
}
