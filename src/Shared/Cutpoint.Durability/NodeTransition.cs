namespace Cutpoint.Durability;

/// <summary>What may become of a node.</summary>
public enum NodeTransition
{
    /// <summary>It has registered.</summary>
    Joined,

    /// <summary>Its lease ran out: it died, hangs, or does not reach the database.</summary>
    Lost,

    /// <summary>It was lost, and is there again; nobody had taken its name meanwhile.</summary>
    Returned,

    /// <summary>It has ended in order.</summary>
    Left,
}
