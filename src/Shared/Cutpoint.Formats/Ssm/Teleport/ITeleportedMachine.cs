namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>The machine at the target of a teleportation.</summary>
public interface ITeleportedMachine
{
    /// <summary>Loads the saved state.</summary>
    /// <param name="stream">It; forward only.</param>
    /// <param name="cancellation">Cancels the load.</param>
    /// <exception cref="SnapshotException">It cannot be loaded; the source is told.</exception>
    Task LoadAsync(Stream stream, CancellationToken cancellation);

    /// <summary>Locks the media, which the source has unlocked; false when somebody else has them.</summary>
    Task<bool> LockMediaAsync(CancellationToken cancellation);
}
