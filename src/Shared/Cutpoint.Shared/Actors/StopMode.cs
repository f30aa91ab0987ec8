namespace Cutpoint.Actors;

/// <summary>What becomes of the messages that wait when an actor is stopped. New ones are refused either way.</summary>
public enum StopMode
{
    /// <summary>They are handled first.</summary>
    Drain,

    /// <summary>They are dropped, their questions fail, and the message in hand is asked to end by its token.</summary>
    Abandon,
}
