namespace Cutpoint.Units;

/// <summary>What a unit says after a live execution.</summary>
public enum LiveOutcome
{
    /// <summary>Vote and, if there is another pass, execute me again.</summary>
    Continue,

    /// <summary>Neither execute nor ask me again until the final pass.</summary>
    DontCallAgain,
}
