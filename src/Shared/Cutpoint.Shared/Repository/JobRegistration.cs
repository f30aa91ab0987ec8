namespace Cutpoint.Repository;

/// <summary>A job this process owns.</summary>
internal abstract class JobRegistration(Ulid id, string directory) : IDisposable
{
    public Ulid Id { get; } = id;

    /// <summary>The job's own directory, for its scratch files; gone when the job has ended.</summary>
    public string Directory { get; } = directory;

    /// <summary>Cancelled when another process may take the job over, or has: this one writes nothing more.</summary>
    public virtual CancellationToken Lost => CancellationToken.None;

    /// <summary>The number before that of the first pack this process writes. No process of a job writes to names another has written to, as it may be alive.</summary>
    public virtual int LastPack => 0;

    /// <summary>True when the process that had the job before may be alive: nothing it can still write to may be relied on.</summary>
    public virtual bool IsContested => false;

    /// <summary>Refuses when the job is lost, as far as this process knows.</summary>
    /// <exception cref="SnapshotException">It is (<see cref="ErrorCode.Locked"/>).</exception>
    public virtual void CheckOwned()
    {
    }

    /// <summary>Refuses when another process has taken the job over. For use inside of a transaction that writes to the catalog.</summary>
    /// <exception cref="SnapshotException">It has (<see cref="ErrorCode.Locked"/>).</exception>
    public virtual void CheckFence()
    {
    }

    /// <summary>From here on another process may go on with the job when this one has died.</summary>
    public abstract void Keep();

    /// <summary>Lets go of the job without ending it: another process may go on.</summary>
    public abstract void Leave();

    /// <summary>Ends the job.</summary>
    public abstract void Dispose();
}
