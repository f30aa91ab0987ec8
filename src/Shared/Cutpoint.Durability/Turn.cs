namespace Cutpoint.Durability;

/// <summary>
/// The handling of one message, in one transaction with everything that follows from it. Whatever the handler does besides must not have happened when the
/// transaction fails, so actions come after the turn.
/// </summary>
public sealed class Turn
{
    private readonly Transaction _transaction;
    private readonly CancellationToken _cancellation;

    internal Turn(Transaction transaction, MailMessage message, CancellationToken cancellation)
    {
        _transaction = transaction;
        _cancellation = cancellation;
        Message = message;
    }

    /// <summary>The message.</summary>
    public MailMessage Message { get; }

    /// <summary>True when a message was put.</summary>
    internal bool HasSent { get; private set; }

    /// <summary>Appends events.</summary>
    /// <inheritdoc cref="EventJournal.AppendAsync(string, long, IReadOnlyList{JournalRecord}, Writer, CancellationToken)"/>
    public Task<long> AppendAsync(string persistenceId, long after, IReadOnlyList<JournalRecord> events, Writer writer) =>
        EventJournal.AppendAsync(_transaction, persistenceId, after, events, writer, _cancellation);

    /// <summary>Puts a message into a mailbox, unless it is there already.</summary>
    public async Task SendAsync(MailMessage message)
    {
        await Mailboxes.PutAsync(_transaction, message, _cancellation).ConfigureAwait(false);
        HasSent = true;
    }
}
