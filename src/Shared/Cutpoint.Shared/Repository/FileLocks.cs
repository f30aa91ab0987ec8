namespace Cutpoint.Repository;

/// <summary>Locks of files, for the processes of one machine.</summary>
/// <param name="paths">Where they are.</param>
/// <param name="time">The clock.</param>
internal sealed class FileLocks(RepositoryPaths paths, TimeProvider time) : RepositoryLocks
{
    private RepositoryLock? _use;

    /// <summary>Says that the repository is in use.</summary>
    /// <exception cref="SnapshotException">It is being repaired (<see cref="ErrorCode.Locked"/>).</exception>
    public static FileLocks Share(RepositoryPaths paths, bool isReadOnly, TimeProvider time) => new(paths, time) { _use = RepositoryLock.Share(paths, isReadOnly) };

    /// <summary>Takes the repository alone, to repair it.</summary>
    /// <exception cref="SnapshotException">Somebody has it open (<see cref="ErrorCode.Locked"/>).</exception>
    public static RepositoryLock TakeAlone(RepositoryPaths paths, TimeProvider time) =>
        RepositoryLock.Take(paths.UseLock, "repair", "the repository is in use", time);

    public override IDisposable TakeCollection() => RepositoryLock.Take(paths.CollectionLock, "gc", "garbage is being collected", time);

    public override IEnumerable<DoctorFinding> Examine()
    {
        foreach (var path in (string[])[paths.CollectionLock, paths.UseLock])
        {
            if (RepositoryLock.OwnerOf(path) is not { } owner) continue;
            var who = owner.ToText(time.GetUtcNow());
            yield return RepositoryLock.IsHeld(path)
                ? new DoctorFinding(DoctorSeverity.Note, $"{path} is held: {who}", null)
                : new DoctorFinding(
                    DoctorSeverity.Leftover, $"{path} was left behind: {who}; it locks nobody out", $"run 'cutpoint {owner.Purpose}' again, or remove {path}.owner.json");
        }
    }

    public override void Dispose() => _use?.Dispose();
}
