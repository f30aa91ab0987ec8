using System.Data.Common;

namespace Cutpoint.Durability;

/// <summary>
/// Events in streams. A stream has one writer at a time, and the append is what keeps it so: the writer says which event it saw last, and whoever did not see
/// the last one, or has a lower epoch than its writer, or has lost its lease, writes nothing. Safe for concurrent use.
/// </summary>
/// <param name="database">The database; not owned.</param>
public sealed class EventJournal(Database database)
{
    /// <summary>Appends events to a stream, all or none.</summary>
    /// <param name="persistenceId">The stream.</param>
    /// <param name="after">The sequence number of the last event the writer knows of; 0 for an empty stream.</param>
    /// <param name="events">The events.</param>
    /// <param name="writer">Who appends.</param>
    /// <param name="cancellation">Ends the call; nothing or everything is written then.</param>
    /// <returns>The sequence number of the last event.</returns>
    /// <exception cref="FencedException">Another writer has taken over.</exception>
    public Task<long> AppendAsync(string persistenceId, long after, IReadOnlyList<JournalRecord> events, Writer writer, CancellationToken cancellation) =>
        database.TransactAsync(transaction => AppendAsync(transaction, persistenceId, after, events, writer, cancellation), cancellation);

    /// <summary>Appends as part of a transaction.</summary>
    /// <inheritdoc cref="AppendAsync(string, long, IReadOnlyList{JournalRecord}, Writer, CancellationToken)"/>
    public static async Task<long> AppendAsync(
        Transaction transaction, string persistenceId, long after, IReadOnlyList<JournalRecord> events, Writer writer, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentNullException.ThrowIfNull(events);
        await writer.CheckAsync(transaction, cancellation).ConfigureAwait(false);
        var last = await LastAsync(transaction, persistenceId, cancellation).ConfigureAwait(false);
        if (last.Epoch > writer.Epoch)
            throw new FencedException($"'{persistenceId}' was written by epoch {last.Epoch}, this writer has {writer.Epoch}");
        if (last.Number != after) throw Conflict(persistenceId, after);
        foreach (var record in events)
        {
            after++;
            try
            {
                await transaction.ExecuteAsync(
                    """
                    INSERT INTO event (persistence_id, sequence_number, written_at, manifest, payload, writer_epoch)
                    VALUES (@id, @number, database_now(), @manifest, @payload, @epoch)
                    """,
                    cancellation, ("id", persistenceId), ("number", after), ("manifest", record.Manifest), ("payload", transaction.Database.Seal(record.Payload, persistenceId, after)),
                    ("epoch", writer.Epoch)).ConfigureAwait(false);
            }
            catch (DbException error) when (transaction.Database.IsDuplicate(error))
            {
                throw Conflict(persistenceId, after - 1);
            }
        }
        return after;
    }

    /// <summary>The events of a stream after a sequence number, in order.</summary>
    /// <exception cref="SnapshotException">One was encrypted with another key, or damaged (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public Task<List<JournalEvent>> ReadAsync(string persistenceId, long after, CancellationToken cancellation) => database.TransactAsync(
        transaction => transaction.QueryAsync(
            """
            SELECT ordering, persistence_id, sequence_number, written_at, manifest, payload, writer_epoch FROM event
            WHERE persistence_id = @id AND sequence_number > @after ORDER BY sequence_number
            """,
            row => new JournalEvent(
                row.GetInt64(0), row.GetString(1), row.GetInt64(2), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)), row.GetString(4),
                database.Open(row.GetString(5), row.GetString(1), row.GetInt64(2)), row.GetInt64(6)),
            cancellation, ("id", persistenceId), ("after", after)),
        cancellation);

    /// <summary>Sequence number and writer of the last event of a stream, whatever it says; zeros for an empty stream.</summary>
    public Task<(long Number, long Epoch)> LastAsync(string persistenceId, CancellationToken cancellation) =>
        database.TransactAsync(transaction => LastAsync(transaction, persistenceId, cancellation), cancellation);

    /// <summary>The streams of which only the first event was written, in the order they were begun.</summary>
    /// <param name="prefix">How their names begin.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cancellation">Ends the call.</param>
    public Task<List<string>> ListBegunAsync(string prefix, int limit, CancellationToken cancellation) => database.TransactAsync(
        transaction => transaction.QueryAsync(
            """
            SELECT persistence_id FROM event e WHERE sequence_number = 1 AND substr(persistence_id, 1, @length) = @prefix
            AND NOT EXISTS (SELECT 1 FROM event later WHERE later.persistence_id = e.persistence_id AND later.sequence_number > 1)
            AND NOT EXISTS (SELECT 1 FROM snapshot s WHERE s.persistence_id = e.persistence_id)
            ORDER BY ordering LIMIT @limit
            """,
            static row => row.GetString(0), cancellation, ("length", prefix.Length), ("prefix", prefix), ("limit", (long)limit)),
        cancellation);

    /// <summary>Keeps the fold of a stream in place of an earlier one, and forgets the events in it but the last, which goes on fencing.</summary>
    /// <param name="persistenceId">The stream.</param>
    /// <param name="snapshot">The fold. An older one than is there changes nothing.</param>
    /// <param name="writer">Who has folded.</param>
    /// <param name="cancellation">Ends the call.</param>
    public Task SaveSnapshotAsync(string persistenceId, JournalSnapshot snapshot, Writer writer, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return database.TransactAsync(
            async transaction =>
            {
                await writer.CheckAsync(transaction, cancellation).ConfigureAwait(false);
                await transaction.ExecuteAsync(
                    """
                    INSERT INTO snapshot (persistence_id, sequence_number, written_at, manifest, payload) VALUES (@id, @number, database_now(), @manifest, @payload)
                    ON CONFLICT (persistence_id) DO UPDATE SET sequence_number = excluded.sequence_number, written_at = excluded.written_at,
                    manifest = excluded.manifest, payload = excluded.payload WHERE snapshot.sequence_number < excluded.sequence_number
                    """,
                    cancellation, ("id", persistenceId), ("number", snapshot.SequenceNumber), ("manifest", snapshot.Manifest),
                    ("payload", database.Seal(snapshot.Payload, persistenceId, snapshot.SequenceNumber))).ConfigureAwait(false);
                return await transaction.ExecuteAsync(
                    "DELETE FROM event WHERE persistence_id = @id AND sequence_number < @number", cancellation, ("id", persistenceId),
                    ("number", snapshot.SequenceNumber)).ConfigureAwait(false);
            },
            cancellation);
    }

    /// <summary>The kept fold of a stream, or null.</summary>
    public async Task<JournalSnapshot?> LoadSnapshotAsync(string persistenceId, CancellationToken cancellation) =>
        (await database.TransactAsync(
            transaction => transaction.QueryAsync(
                "SELECT sequence_number, manifest, payload FROM snapshot WHERE persistence_id = @id",
                row => new JournalSnapshot(row.GetInt64(0), row.GetString(1), database.Open(row.GetString(2), persistenceId, row.GetInt64(0))), cancellation, ("id", persistenceId)),
            cancellation).ConfigureAwait(false)).FirstOrDefault();

    /// <summary>Forgets the streams that nobody has written to for some time, with their folds.</summary>
    /// <param name="prefix">How their names begin.</param>
    /// <param name="age">For how long, by the database's clock.</param>
    /// <param name="except">Streams that stay all the same.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <returns>How many were forgotten.</returns>
    public Task<int> ForgetAsync(string prefix, TimeSpan age, IReadOnlyCollection<string> except, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(except);
        return database.TransactAsync(
            async transaction =>
            {
                var old = await transaction.QueryAsync(
                    """
                    SELECT persistence_id FROM event WHERE substr(persistence_id, 1, @length) = @prefix
                    GROUP BY persistence_id HAVING MAX(written_at) < (SELECT database_now()) - @age
                    """,
                    static row => row.GetString(0), cancellation, ("length", prefix.Length), ("prefix", prefix), ("age", (long)age.TotalMilliseconds))
                    .ConfigureAwait(false);
                old.RemoveAll(except.Contains);
                foreach (var id in old)
                {
                    await transaction.ExecuteAsync("DELETE FROM event WHERE persistence_id = @id", cancellation, ("id", id)).ConfigureAwait(false);
                    await transaction.ExecuteAsync("DELETE FROM snapshot WHERE persistence_id = @id", cancellation, ("id", id)).ConfigureAwait(false);
                }
                return old.Count;
            },
            cancellation);
    }

    private static async Task<(long Number, long Epoch)> LastAsync(Transaction transaction, string persistenceId, CancellationToken cancellation) =>
        (await transaction.QueryAsync(
            "SELECT sequence_number, writer_epoch FROM event WHERE persistence_id = @id ORDER BY sequence_number DESC LIMIT 1",
            static row => (row.GetInt64(0), row.GetInt64(1)), cancellation, ("id", persistenceId)).ConfigureAwait(false)).FirstOrDefault();

    private static FencedException Conflict(string persistenceId, long after) =>
        new($"another writer has appended to '{persistenceId}' after event {after}, or that event is not there");
}
