using Cutpoint.Repository;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// Brings the guests of a checkpoint back. All of them are loaded before the first one runs; when one cannot be loaded, or the restore is cancelled, none runs
/// and nothing launched here is left. What is read is checked on the way: damaged data end the restore.
/// </summary>
public static class RestoreJob
{
    /// <summary>Restores a checkpoint.</summary>
    /// <param name="repository">Where it is.</param>
    /// <param name="options">What, and how.</param>
    /// <param name="time">The clock.</param>
    /// <param name="progress">Told how far it is; null when nobody asks.</param>
    /// <param name="cancellation">Cancels until the guests run.</param>
    /// <returns>The guests, in the checkpoint's order.</returns>
    /// <exception cref="SnapshotException">It cannot be restored as asked (<see cref="ErrorCode.Incompatible"/>), or is damaged.</exception>
    public static async Task<IReadOnlyList<RestoredGuest>> RunAsync(
        DirectoryRepository repository, RestoreOptions options, TimeProvider time, IProgress<RestoreProgress>? progress, CancellationToken cancellation)
    {
        var info = await repository.ResolveAsync(options.Checkpoint, cancellation);
        await using var checkpoint = await repository.OpenCheckpointAsync(info, cancellation);
        var readers = options.Guest is null ? checkpoint.Guests : [checkpoint.Guest(options.Guest)];
        if (options.Target is not null && readers.Count > 1) checkpoint.Guest(null);
        var loads = new List<GuestLoad>();
        try
        {
            foreach (var reader in readers)
                loads.Add(new GuestLoad(repository, await StoredGuest.LoadAsync(reader, cancellation), options, time, progress));
            var sockets = new GroupSockets(loads.Select(load => load.Prepare()));
            foreach (var number in sockets.Order) await loads[number].LoadAsync(sockets.Moved, cancellation);
            cancellation.ThrowIfCancellationRequested();
            // Together, so that guests which talk to each other miss each other as briefly as can be.
            await Task.WhenAll(loads.Select(load => load.ContinueAsync(cancellation)));
            return await Task.WhenAll(loads.Select(load => load.ReleaseAsync(CancellationToken.None)));
        }
        finally
        {
            foreach (var load in loads) await load.DisposeAsync();
        }
    }
}
