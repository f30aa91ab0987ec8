namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>
/// The source's side of a teleportation: saved state format, section F.3.
/// <code>
/// LogInAsync ─▶ LoadAsync (frames inside) ─▶ LockMediaAsync ─▶ HandOverAsync         CancelAsync at any place between
/// </code>
/// One call at a time. The connection stays the caller's, who turns Nagle's delay off.
/// </summary>
public sealed class TeleportSource(Stream connection)
{
    private readonly TeleportLines _lines = new(connection);

    /// <summary>Meets the target.</summary>
    /// <param name="password">The password in the form both were configured with.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <exception cref="TeleportRefusedException">The password is wrong.</exception>
    /// <exception cref="SavedStateException">There is no target of this protocol.</exception>
    public async Task LogInAsync(string password, CancellationToken cancellation)
    {
        var greeting = await _lines.ReadAsync(TeleportLines.MaxAnswer, cancellation).ConfigureAwait(false);
        if (greeting != TeleportLines.Greeting) throw new SavedStateException(SavedStateStatus.NotSupported, 0, $"'{greeting}' is not the greeting of a teleporter");
        await CommandAsync(password, cancellation).ConfigureAwait(false);
    }

    /// <summary>Sends the saved state.</summary>
    /// <param name="save">Writes it. A failure cancels the stream and is thrown on.</param>
    /// <param name="cancellation">Cancels the stream.</param>
    /// <exception cref="TeleportRefusedException">The target could not load it.</exception>
    public async Task LoadAsync(Func<Stream, CancellationToken, Task> save, CancellationToken cancellation)
    {
        await CommandAsync("load", cancellation).ConfigureAwait(false);
        var stream = new TeleportSourceStream(connection);
        await using (stream.ConfigureAwait(false))
        {
            try
            {
                await save(stream, cancellation).ConfigureAwait(false);
            }
            catch (IOException)
            {
                // A target that cannot load says why and closes the connection; its reason is the cause.
                await _lines.ExpectAcknowledgementAsync(cancellation).ConfigureAwait(false);
                throw;
            }
            catch
            {
                await stream.CancelAsync(CancellationToken.None).ConfigureAwait(false);
                throw;
            }
            await stream.CompleteAsync(cancellation).ConfigureAwait(false);
        }
        await _lines.ExpectAcknowledgementAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Has the target lock the media, which the source has unlocked.</summary>
    public Task LockMediaAsync(CancellationToken cancellation) => CommandAsync("lock-media", cancellation);

    /// <summary>Gives the machine away.</summary>
    /// <param name="paused">True when it stood still before.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    public Task HandOverAsync(bool paused, CancellationToken cancellation) => CommandAsync(paused ? "hand-over-paused" : "hand-over-resume", cancellation);

    /// <summary>Calls it off. The target does not answer.</summary>
    public ValueTask CancelAsync(CancellationToken cancellation) => _lines.WriteAsync("cancel", cancellation);

    private async Task CommandAsync(string command, CancellationToken cancellation)
    {
        await _lines.WriteAsync(command, cancellation).ConfigureAwait(false);
        await _lines.ExpectAcknowledgementAsync(cancellation).ConfigureAwait(false);
    }
}
