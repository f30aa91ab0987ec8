namespace Cutpoint.Units;

/// <summary>What the votes after a pass come to.</summary>
public enum PassVerdict
{
    /// <summary>Every unit is satisfied: the guest can be stopped. More passes are allowed, for guests that wait for others.</summary>
    Converged,

    /// <summary>Somebody wants another pass.</summary>
    AnotherPass,

    /// <summary>A unit gave up or a limit is reached. The save has failed.</summary>
    GiveUp,
}
