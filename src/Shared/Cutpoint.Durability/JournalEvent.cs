namespace Cutpoint.Durability;

/// <summary>An event as it was written.</summary>
/// <param name="Ordering">Ascending over all streams in the order of insertion, not of commit: never a watermark over streams.</param>
/// <param name="PersistenceId">The stream.</param>
/// <param name="SequenceNumber">Place in the stream, from 1, without gaps.</param>
/// <param name="WrittenAt">When, by the database's clock.</param>
/// <param name="Manifest">Name of the kind of event.</param>
/// <param name="Payload">The event as JSON.</param>
/// <param name="WriterEpoch">Epoch of the writer; never descends within a stream.</param>
public sealed record JournalEvent(
    long Ordering, string PersistenceId, long SequenceNumber, DateTimeOffset WrittenAt, string Manifest, string Payload, long WriterEpoch);
