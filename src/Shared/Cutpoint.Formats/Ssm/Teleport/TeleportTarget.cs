using System.Security.Cryptography;
using System.Text;

namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>
/// The target's side of a teleportation: greets, checks the password, and serves the source's commands until the machine is handed over. One call at a time. The
/// connection stays the caller's, who turns Nagle's delay off.
/// </summary>
public sealed class TeleportTarget(Stream connection, ITeleportedMachine machine)
{
    private const int MaxPassword = 512;
    private const int MinPenalty = 64;
    private const int MaxPenalty = 1024;

    private readonly TeleportLines _lines = new(connection);

    /// <summary>Meets a source.</summary>
    /// <param name="password">The password in the form both were configured with.</param>
    /// <param name="time">Times the delay of a refusal.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <returns>False when the password was wrong: the caller closes the connection and waits for another.</returns>
    public async Task<bool> AcceptAsync(string password, TimeProvider time, CancellationToken cancellation)
    {
        await _lines.WriteAsync(TeleportLines.Greeting, cancellation).ConfigureAwait(false);
        var given = await _lines.ReadAsync(MaxPassword, cancellation).ConfigureAwait(false);
        if (CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(password)))
        {
            await _lines.WriteAsync(TeleportLines.Acknowledged, cancellation).ConfigureAwait(false);
            return true;
        }
        // The answer waits for a while of its own, so that guessing is slow and its time tells nothing.
        await Task.Delay(TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32(MinPenalty, MaxPenalty)), time, cancellation).ConfigureAwait(false);
        await _lines.RefuseAsync(SavedStateStatus.AuthenticationFailure, null, cancellation).ConfigureAwait(false);
        return false;
    }

    /// <summary>Serves a source that was accepted.</summary>
    /// <returns>True when the machine shall run, false when it was handed over paused.</returns>
    /// <exception cref="SavedStateException">The source cancelled (<see cref="SavedStateStatus.Cancelled"/>) or went away.</exception>
    /// <exception cref="SnapshotException">The machine could not load; the source was told, and the connection is of no more use.</exception>
    public async Task<bool> ServeAsync(CancellationToken cancellation)
    {
        var isLocked = false;
        while (true)
        {
            var command = await _lines.ReadAsync(TeleportLines.MaxCommand, cancellation).ConfigureAwait(false);
            switch (command)
            {
                case "load":
                    await _lines.WriteAsync(TeleportLines.Acknowledged, cancellation).ConfigureAwait(false);
                    await LoadAsync(cancellation).ConfigureAwait(false);
                    break;
                case "lock-media":
                    isLocked = await machine.LockMediaAsync(cancellation).ConfigureAwait(false);
                    if (isLocked) break;
                    await _lines.RefuseAsync(SavedStateStatus.FileLockFailed, null, cancellation).ConfigureAwait(false);
                    continue;
                case "hand-over-resume" or "hand-over-paused" when isLocked:
                    await _lines.WriteAsync(TeleportLines.Acknowledged, cancellation).ConfigureAwait(false);
                    return command == "hand-over-resume";
                case "hand-over-resume" or "hand-over-paused":
                    await _lines.RefuseAsync(SavedStateStatus.InvalidProgramState, "the media are not locked", cancellation).ConfigureAwait(false);
                    continue;
                case "cancel":
                    throw new SavedStateException(SavedStateStatus.Cancelled, 0, "the source has cancelled");
                default:
                    await _lines.RefuseAsync(SavedStateStatus.NotImplemented, null, cancellation).ConfigureAwait(false);
                    continue;
            }
            await _lines.WriteAsync(TeleportLines.Acknowledged, cancellation).ConfigureAwait(false);
        }
    }

    private async Task LoadAsync(CancellationToken cancellation)
    {
        var stream = new TeleportTargetStream(connection);
        await using (stream.ConfigureAwait(false))
        {
            try
            {
                await machine.LoadAsync(stream, cancellation).ConfigureAwait(false);
                await stream.DrainAsync(cancellation).ConfigureAwait(false);
            }
            catch (SnapshotException e) when (e is not SavedStateException { Status: SavedStateStatus.Cancelled })
            {
                // What the source still sends are frames, not commands: the connection cannot go on after this answer.
                var status = e is SavedStateException state ? state.Status : SavedStateStatus.GeneralFailure;
                await _lines.RefuseAsync(status, e.Message, cancellation).ConfigureAwait(false);
                throw;
            }
        }
    }
}
