namespace Cutpoint.Actors;

/// <summary>Bounds and supervision of an actor.</summary>
public sealed record ActorOptions
{
    /// <summary>Names the actor in errors.</summary>
    public required string Name { get; init; }

    /// <summary>Data messages that may wait; more make their posters wait. 1024 small messages are well below a megabyte.</summary>
    public int MaxMessages { get; init; } = 1024;

    /// <summary>Octets of data messages that may wait, by the actor's cost function. 16 MiB holds four sections of pages.</summary>
    public long MaxOctets { get; init; } = 16 << 20;

    /// <summary>Control messages that may wait. They are few by nature, the bound only keeps a broken sender from filling memory.</summary>
    public int MaxControlMessages { get; init; } = 256;

    /// <summary>What follows a fault, within the limit of restarts. A restart by default: the state at fault is gone, the messages waiting are not.</summary>
    public Func<Exception, Supervision> Supervise { get; init; } = static _ => Supervision.Restart;

    /// <summary>Restarts allowed within <see cref="RestartWindow"/>; the next fault escalates. 3 in a minute tell a hiccup from a defect.</summary>
    public int MaxRestarts { get; init; } = 3;

    /// <summary>The window <see cref="MaxRestarts"/> counts in.</summary>
    public TimeSpan RestartWindow { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Takes an escalated fault to the parent, usually by posting it to the parent's control lane. The actor has stopped by then.</summary>
    public Func<ActorFault, ValueTask>? Escalate { get; init; }

    /// <summary>The clock of deadlines and restarts.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
