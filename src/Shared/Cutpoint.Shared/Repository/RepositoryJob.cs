namespace Cutpoint.Repository;

/// <summary>A job that writes, or has written, to the repository and has not ended.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Owner">Who runs it, or ran it; null when that cannot be told.</param>
/// <param name="IsRunning">True while its process lives.</param>
/// <param name="IsResumable">True when what it wrote stays after its process has died, until it is resumed or cancelled.</param>
/// <param name="StoredBytes">Octets in its packs.</param>
public sealed record RepositoryJob(Ulid Id, JobOwner? Owner, bool IsRunning, bool IsResumable, long StoredBytes)
{
    /// <summary>True when its process died and it can go on.</summary>
    public bool IsInterrupted => IsResumable && !IsRunning;
}
