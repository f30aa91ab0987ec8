namespace Cutpoint.Repository;

/// <summary>The jobs of a repository that have not ended, and who owns them. Safe for concurrent use.</summary>
internal abstract class JobRegistry
{
    /// <summary>Registers a job.</summary>
    /// <param name="purpose">What it is for, for people.</param>
    /// <param name="given">Its id, when it has one.</param>
    /// <exception cref="SnapshotException">It has the id of one that has not ended (<see cref="ErrorCode.Locked"/>).</exception>
    public abstract JobRegistration Create(string purpose, Ulid? given = null);

    /// <summary>Takes over a job whose process died.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), or its process lives (<see cref="ErrorCode.Locked"/>).</exception>
    public abstract JobRegistration Resume(Ulid id, string purpose);

    /// <summary>Every job that has not ended, oldest first.</summary>
    public abstract IReadOnlyList<RegisteredJob> List();

    /// <summary>True when what a job wrote belongs to it still.</summary>
    public virtual bool IsOpen(Ulid id) => List().Any(job => job.Id == id && job.IsOpen);

    /// <summary>Jobs that died and cannot be resumed, and the ones that are open. A job in neither had ended, or was not registered yet.</summary>
    public (IReadOnlyList<Ulid> Dead, IReadOnlySet<Ulid> Open) Look()
    {
        var all = List();
        return ([.. all.Where(job => !job.IsOpen).Select(job => job.Id)], all.Where(job => job.IsOpen).Select(job => job.Id).ToHashSet());
    }

    /// <summary>The same, after it was made sure that the dead ones write nothing more.</summary>
    public virtual (IReadOnlyList<Ulid> Dead, IReadOnlySet<Ulid> Open) Bury() => Look();

    /// <summary>Removes what a job that died has left besides its packs.</summary>
    public abstract void Remove(Ulid id);

    private protected static SnapshotException NotResumable(Ulid id) =>
        new(ErrorCode.NotFound, $"there is no job {id} that could be resumed", "look at 'cutpoint list'") { IsPreflight = true };

    private protected static SnapshotException Running(Ulid id, JobOwner? owner, Exception? inner = null) => new(
        ErrorCode.Locked, $"job {id} is running: {owner?.ToString() ?? "by another process"}", $"follow it with 'cutpoint watch {id}', or end it with 'cutpoint cancel {id}'", inner)
    {
        IsTransient = true,
        IsPreflight = true,
    };
}
