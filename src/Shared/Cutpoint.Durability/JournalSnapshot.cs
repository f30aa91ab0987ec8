namespace Cutpoint.Durability;

/// <summary>The fold of a stream up to an event, kept so that a replay need not begin at the first.</summary>
/// <param name="SequenceNumber">The last event in it.</param>
/// <param name="Manifest">Name of the kind of state.</param>
/// <param name="Payload">The state as JSON.</param>
public sealed record JournalSnapshot(long SequenceNumber, string Manifest, string Payload);
