namespace Cutpoint.Durability;

/// <summary>
/// Durable mailboxes. A message is handled in one transaction: its row is taken, events and outgoing messages are written, the row is deleted. A crash
/// anywhere leaves either all of that or none. Messages of one recipient are handled one at a time in the order in which they became visible; no two workers
/// ever hold one. Safe for concurrent use.
/// </summary>
/// <param name="database">The database; not owned.</param>
public sealed class Mailboxes(Database database)
{
    /// <summary>Handlings of one message that may fail before it is put aside.</summary>
    public const int MaxAttempts = 5;

    /// <summary>How long it is remembered that a message was handled: a sender that repeats itself later than that is a new sender.</summary>
    public static readonly TimeSpan Memory = TimeSpan.FromDays(1);

    private static readonly TimeSpan RetryStep = TimeSpan.FromSeconds(1);

    /// <summary>Puts a message into its mailbox. One that is there already, or was handled, is not put again.</summary>
    public async Task SendAsync(MailMessage message, CancellationToken cancellation)
    {
        await database.TransactAsync(transaction => PutAsync(transaction, message, cancellation), cancellation).ConfigureAwait(false);
        await database.HintAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Handles the next message of one of several recipients.</summary>
    /// <param name="recipients">Whose messages this worker handles.</param>
    /// <param name="handle">Handles a message; an exception leaves it in its box and puts off the next attempt.</param>
    /// <param name="cancellation">Ends the call before the commit.</param>
    /// <returns>The message, or null when none is waiting that no other worker holds.</returns>
    public async Task<MailMessage?> HandleNextAsync(IReadOnlyCollection<string> recipients, Func<Turn, Task> handle, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipients);
        ArgumentNullException.ThrowIfNull(handle);
        if (recipients.Count == 0) return null;
        Turn? turn = null;
        long ordering = 0;
        try
        {
            await database.TransactAsync(
                async transaction =>
                {
                    (turn, ordering) = await TakeAsync(transaction, recipients, cancellation).ConfigureAwait(false);
                    if (turn is null) return false;
                    // A message that was handled already came once more while its first copy was under way.
                    if (await RememberAsync(transaction, turn.Message, cancellation).ConfigureAwait(false)) await handle(turn).ConfigureAwait(false);
                    await transaction.ExecuteAsync("DELETE FROM mailbox WHERE ordering = @ordering", cancellation, ("ordering", ordering)).ConfigureAwait(false);
                    return true;
                },
                cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (turn is not null && error is not (FencedException or OperationCanceledException))
        {
            // A writer that is fenced out is the worker's fault, not the message's.
            await PutOffAsync(ordering, error, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        if (turn?.HasSent == true) await database.HintAsync(cancellation).ConfigureAwait(false);
        return turn?.Message;
    }

    /// <summary>Messages that were put aside after too many failures, with the last reason; oldest first.</summary>
    public Task<List<(MailMessage Message, string Reason)>> DeadLettersAsync(CancellationToken cancellation) => database.TransactAsync(
        transaction => transaction.QueryAsync(
            "SELECT recipient, message_id, manifest, payload, reason FROM dead_letter ORDER BY ordering",
            static row => (new MailMessage(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3)), row.GetString(4)), cancellation),
        cancellation);

    internal static Task<int> PutAsync(Transaction transaction, MailMessage message, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(message);
        return transaction.ExecuteAsync(
            """
            INSERT INTO mailbox (recipient, message_id, sent_at, visible_at, attempts, manifest, payload)
            SELECT @recipient, @id, database_now(), database_now(), 0, @manifest, @payload
            WHERE NOT EXISTS (SELECT 1 FROM handled WHERE recipient = @recipient AND message_id = @id)
            ON CONFLICT (recipient, message_id) DO NOTHING
            """,
            cancellation, ("recipient", message.Recipient), ("id", message.MessageId), ("manifest", message.Manifest), ("payload", message.Payload));
    }

    private static async Task<(Turn?, long)> TakeAsync(Transaction transaction, IReadOnlyCollection<string> recipients, CancellationToken cancellation)
    {
        var names = recipients.Select((recipient, index) => ($"r{index}", (object)recipient)).ToArray();
        var rows = await transaction.QueryAsync(
            $"""
            SELECT m.ordering, m.recipient, m.message_id, m.manifest, m.payload FROM mailbox m
            WHERE m.recipient IN ({string.Join(", ", names.Select(name => "@" + name.Item1))}) AND m.visible_at <= (SELECT database_now())
            AND NOT EXISTS (SELECT 1 FROM mailbox earlier WHERE earlier.recipient = m.recipient AND earlier.ordering < m.ordering)
            ORDER BY m.ordering LIMIT 1{transaction.Database.TakeUnlocked}
            """,
            static row => (row.GetInt64(0), new MailMessage(row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4))), cancellation, names)
            .ConfigureAwait(false);
        return rows.Count == 0 ? (null, 0) : (new Turn(transaction, rows[0].Item2, cancellation), rows[0].Item1);
    }

    private static async Task<bool> RememberAsync(Transaction transaction, MailMessage message, CancellationToken cancellation)
    {
        await transaction.ExecuteAsync(
            "DELETE FROM handled WHERE handled_at < (SELECT database_now()) - @memory", cancellation, ("memory", (long)Memory.TotalMilliseconds))
            .ConfigureAwait(false);
        return await transaction.ExecuteAsync(
            "INSERT INTO handled (recipient, message_id, handled_at) VALUES (@recipient, @id, database_now()) ON CONFLICT DO NOTHING", cancellation,
            ("recipient", message.Recipient), ("id", message.MessageId)).ConfigureAwait(false) == 1;
    }

    /// <summary>Puts off a message whose handling failed, or puts it aside so that those behind it get their turn.</summary>
    private Task<bool> PutOffAsync(long ordering, Exception error, CancellationToken cancellation) => database.TransactAsync(
        async transaction =>
        {
            var attempts = await transaction.NumberAsync(
                "UPDATE mailbox SET attempts = attempts + 1, visible_at = database_now() + @step * (attempts + 1) WHERE ordering = @ordering RETURNING attempts",
                cancellation, ("step", (long)RetryStep.TotalMilliseconds), ("ordering", ordering)).ConfigureAwait(false);
            if (attempts is null or < MaxAttempts) return false;
            await transaction.ExecuteAsync(
                """
                INSERT INTO dead_letter (recipient, message_id, sent_at, manifest, payload, reason)
                SELECT recipient, message_id, sent_at, manifest, payload, @reason FROM mailbox WHERE ordering = @ordering
                """,
                cancellation, ("reason", error.Message), ("ordering", ordering)).ConfigureAwait(false);
            await transaction.ExecuteAsync("DELETE FROM mailbox WHERE ordering = @ordering", cancellation, ("ordering", ordering)).ConfigureAwait(false);
            return true;
        },
        cancellation);
}
