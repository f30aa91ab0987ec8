namespace Cutpoint.Durability;

/// <summary>An event as it is appended.</summary>
/// <param name="Manifest">Name of the kind of event; never the name of a CLR type.</param>
/// <param name="Payload">The event as JSON.</param>
public readonly record struct JournalRecord(string Manifest, string Payload);
