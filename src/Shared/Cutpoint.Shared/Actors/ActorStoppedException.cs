namespace Cutpoint.Actors;

/// <summary>A message reached an actor that has stopped, or was waiting when it stopped.</summary>
public sealed class ActorStoppedException : SnapshotException
{
    /// <summary>Creates an error.</summary>
    /// <param name="actor">Name of the actor.</param>
    /// <param name="inner">The fault that stopped it, if one did.</param>
    public ActorStoppedException(string actor, Exception? inner = null)
        : base(ErrorCode.Failed, inner is null ? $"actor {actor} has stopped" : $"actor {actor} has stopped: {inner.Message}", inner: inner)
    {
    }
}
