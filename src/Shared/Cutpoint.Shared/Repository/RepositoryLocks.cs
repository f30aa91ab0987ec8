namespace Cutpoint.Repository;

/// <summary>The locks of a whole repository: shared by everybody who has it open, and those that are held alone. The one that is shared is held until this is disposed.</summary>
internal abstract class RepositoryLocks : IDisposable
{
    /// <summary>Takes the lock of a collection of garbage, until what is returned is disposed.</summary>
    /// <exception cref="SnapshotException">Another collection runs (<see cref="ErrorCode.Locked"/>).</exception>
    public abstract IDisposable TakeCollection();

    /// <summary>Who holds locks alone.</summary>
    public abstract IEnumerable<DoctorFinding> Examine();

    public abstract void Dispose();
}
