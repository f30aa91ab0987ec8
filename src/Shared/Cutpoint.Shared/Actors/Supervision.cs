namespace Cutpoint.Actors;

/// <summary>What follows when a handler throws.</summary>
public enum Supervision
{
    /// <summary>A fresh handler goes on with the next message; the message at fault is not repeated.</summary>
    Restart,

    /// <summary>The actor stops and the parent decides.</summary>
    Escalate,
}
