namespace Cutpoint.Actors;

/// <summary>
/// What an actor does with its messages. An instance is one life of the actor: all its state is in there and goes with it when the actor is restarted.
/// Handlers that are <see cref="IAsyncDisposable"/> or <see cref="IDisposable"/> are disposed at the end of their life.
/// </summary>
/// <typeparam name="TMessage">Immutable messages.</typeparam>
public interface IMessageHandler<in TMessage>
{
    /// <summary>Handles one message; the next one waits. Throwing ends this life and asks the supervision what to do.</summary>
    /// <param name="message">The message.</param>
    /// <param name="stopping">Cancelled when the actor is stopped and must not finish what it does.</param>
    ValueTask HandleAsync(TMessage message, CancellationToken stopping);
}
