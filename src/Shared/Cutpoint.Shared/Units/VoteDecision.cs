namespace Cutpoint.Units;

/// <summary>A unit's answer after a pass: saved state contract, section B.4.</summary>
public enum VoteDecision
{
    /// <summary>Satisfied; the unit is asked again after the next pass, if there is one.</summary>
    Done,

    /// <summary>At least one more pass for everybody.</summary>
    AnotherPass,

    /// <summary>Satisfied, and neither executed nor asked again until the final pass.</summary>
    DoneDontCallAgain,

    /// <summary>The save cannot succeed; it ends here.</summary>
    GiveUp,
}
