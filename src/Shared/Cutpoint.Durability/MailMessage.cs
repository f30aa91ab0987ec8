namespace Cutpoint.Durability;

/// <summary>A message in a durable mailbox.</summary>
/// <param name="Recipient">Whose box it is in.</param>
/// <param name="MessageId">The sender's name for it, unique per recipient: one that is sent twice is handled once.</param>
/// <param name="Manifest">Name of the kind of message; never the name of a CLR type.</param>
/// <param name="Payload">The message as JSON.</param>
public sealed record MailMessage(string Recipient, string MessageId, string Manifest, string Payload);
