using Cutpoint.Actors;

namespace Cutpoint.Units;

/// <summary>
/// A unit as an actor: its callbacks run one at a time, whoever calls. Cancellation does not queue: the callback in hand sees its token at once, and one
/// that waits never starts. Safe for concurrent use.
/// </summary>
public sealed class UnitActor : IAsyncDisposable
{
    private readonly Actor<Call> _actor;

    /// <summary>Starts the actor of a unit.</summary>
    public UnitActor(UnitRegistration unit) =>
        _actor = new Actor<Call>(new ActorOptions { Name = unit.Key.ToString() }, static () => new Caller());

    /// <summary>
    /// Runs a callback when the ones before it have ended, and hands over what it returns or throws. Returns only when the callback has ended: nothing
    /// of it runs on behind the caller's back.
    /// </summary>
    /// <param name="name">Names the callback in errors.</param>
    /// <param name="callback">The callback.</param>
    /// <param name="cancellation">Handed to the callback.</param>
    public Task<T> CallAsync<T>(string name, Func<CancellationToken, ValueTask<T>> callback, CancellationToken cancellation) =>
        _actor.AskAsync<T>(
            reply => new Call(name, () => AnswerAsync(reply, callback, cancellation)), Timeout.InfiniteTimeSpan, CancellationToken.None);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _actor.DisposeAsync();

    private static async ValueTask AnswerAsync<T>(
        Reply<T> reply, Func<CancellationToken, ValueTask<T>> callback, CancellationToken cancellation)
    {
        try
        {
            cancellation.ThrowIfCancellationRequested();
            reply.Set(await callback(cancellation).ConfigureAwait(false));
        }
        catch (Exception e)
        {
            // The caller's to judge; the actor itself has no state a failed callback could harm.
            reply.Fail(e);
        }
    }

    private sealed record Call(string Name, Func<ValueTask> Run)
    {
        public override string ToString() => Name;
    }

    private sealed class Caller : IMessageHandler<Call>
    {
        public ValueTask HandleAsync(Call message, CancellationToken stopping) => message.Run();
    }
}
