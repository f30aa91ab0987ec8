namespace Cutpoint.Actors;

/// <summary>A fault an actor could not deal with by itself.</summary>
/// <param name="Actor">Name of the actor.</param>
/// <param name="Exception">The last fault.</param>
/// <param name="Restarts">Restarts that did not help, within the window.</param>
public sealed record ActorFault(string Actor, Exception Exception, int Restarts);
