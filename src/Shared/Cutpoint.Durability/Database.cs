using System.Data.Common;
using Cutpoint.Repository;

namespace Cutpoint.Durability;

/// <summary>
/// The database under journal, mailboxes and leases: transactions, its clock, its schema, and a hint that messages may be waiting. The statements above it
/// are the same for every kind; what differs is here. Safe for concurrent use.
/// </summary>
public abstract class Database : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _hint = NewHint();

    private protected Database(TimeProvider time) => Time = time;

    /// <summary>The clock of this process. It never decides about anything others see; that is the database's.</summary>
    public TimeProvider Time { get; }

    /// <summary>Encrypts what events and their folds say; null to keep it in the clear. Streams, kinds and times are in the clear either way.</summary>
    public TextCipher? Payloads { get; init; }

    /// <summary>What a person calls the database in a message; without secrets.</summary>
    public abstract string Name { get; }

    /// <summary>Appended to a SELECT that takes a row no other worker has.</summary>
    internal abstract string TakeUnlocked { get; }

    /// <summary>Appended to a SELECT of a row that must not change before the transaction has ended.</summary>
    internal abstract string HoldRow { get; }

    /// <summary>Runs work in one transaction; an exception rolls it back.</summary>
    /// <param name="work">The work. It waits for nothing but the database.</param>
    /// <param name="cancellation">Ends the call before the commit; a commit under way ends by itself.</param>
    /// <exception cref="SnapshotException">The database failed; <see cref="SnapshotException.IsTransient"/> says whether it may succeed later.</exception>
    public async Task<T> TransactAsync<T>(Func<Transaction, Task<T>> work, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(work);
        var connection = await OpenAsync(cancellation).ConfigureAwait(false);
        try
        {
            var transaction = await BeginAsync(connection, cancellation).ConfigureAwait(false);
            DbException? failure = null;
            try
            {
                var result = await work(new Transaction(this, connection, transaction)).ConfigureAwait(false);
                cancellation.ThrowIfCancellationRequested();
                await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
                return result;
            }
            catch (DbException error)
            {
                failure = error;
                throw;
            }
            finally
            {
                await EndAsync(transaction, failure).ConfigureAwait(false);
            }
        }
        catch (DbException error)
        {
            throw Translate(error);
        }
        finally
        {
            await CloseAsync(connection).ConfigureAwait(false);
        }
    }

    /// <summary>Brings the schema up to the version of this program.</summary>
    /// <exception cref="SnapshotException">The schema is newer than this program (<see cref="ErrorCode.Incompatible"/>).</exception>
    public Task MigrateAsync(CancellationToken cancellation) => TransactAsync(
        async transaction =>
        {
            await ExecuteEachAsync(transaction, DurabilitySchema.VersionTable, cancellation).ConfigureAwait(false);
            var version = await DurabilitySchema.ReadVersionAsync(transaction, cancellation).ConfigureAwait(false);
            if (version > DurabilitySchema.Version)
            {
                throw new SnapshotException(
                    ErrorCode.Incompatible, $"the tables in {Name} have version {version}, this program knows {DurabilitySchema.Version}",
                    "use a newer version of Cutpoint") { IsPreflight = true };
            }
            for (var step = version; step < DurabilitySchema.Version; step++)
            {
                foreach (var statement in DurabilitySchema.Steps[step]) await transaction.ExecuteAsync(Adapt(statement), cancellation).ConfigureAwait(false);
                await transaction.ExecuteAsync(
                    "INSERT INTO schema_version (version, applied_at) VALUES (@version, database_now())", cancellation, ("version", step + 1L)).ConfigureAwait(false);
            }
            return version;
        },
        cancellation);

    /// <summary>Tells workers that a message may be waiting for them. Only a hint: one that is lost costs a polling interval.</summary>
    public virtual ValueTask HintAsync(CancellationToken cancellation)
    {
        Hinted();
        return default;
    }

    /// <summary>Returns at a hint, or when it is time to look anyway.</summary>
    /// <param name="interval">The polling interval.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task WaitAsync(TimeSpan interval, CancellationToken cancellation)
    {
        Task hint;
        lock (_gate) hint = _hint.Task;
        using var elapsed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(hint, Task.Delay(interval, Time, elapsed.Token)).ConfigureAwait(false);
        await elapsed.CancelAsync().ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
    }

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>A payload as the tables have it.</summary>
    /// <exception cref="SnapshotException">It must be encrypted, and there is no key (<see cref="ErrorCode.NotAuthorised"/>).</exception>
    internal string Seal(string payload, string stream, long number) => Cipher()?.Seal(payload, Place(stream, number)) ?? payload;

    /// <summary>A payload as it was given.</summary>
    /// <exception cref="SnapshotException">It is encrypted, and there is no key (<see cref="ErrorCode.NotAuthorised"/>), or another one.</exception>
    internal string Open(string payload, string stream, long number) => Cipher()?.Open(payload, Place(stream, number)) ?? payload;

    /// <summary>A statement of the schema in the words of this database.</summary>
    internal abstract string Adapt(string statement);

    /// <summary>True for the error of a row that is there already.</summary>
    internal abstract bool IsDuplicate(DbException error);

    /// <summary>True when nobody writes payloads in the clear here, who knows no better.</summary>
    private protected bool IsSealed { get; set; }

    private protected abstract ValueTask<DbConnection> OpenAsync(CancellationToken cancellation);

    private protected abstract ValueTask<DbTransaction> BeginAsync(DbConnection connection, CancellationToken cancellation);

    private protected abstract ValueTask CloseAsync(DbConnection connection);

    private protected abstract SnapshotException Translate(DbException error);

    /// <summary>A hint has come: whoever waits looks now, whoever looks meanwhile looks again.</summary>
    private protected void Hinted()
    {
        TaskCompletionSource hint;
        lock (_gate) (hint, _hint) = (_hint, NewHint());
        hint.SetResult();
    }

    private TextCipher? Cipher() => Payloads is not null || !IsSealed ? Payloads : throw new SnapshotException(
        ErrorCode.NotAuthorised, $"the repository of {Name} is encrypted and no key was given", "give --key-file, --passphrase-file or --key-command") { IsPreflight = true };

    private static async ValueTask EndAsync(DbTransaction transaction, DbException? failure)
    {
        try
        {
            await transaction.DisposeAsync().ConfigureAwait(false);
        }
        catch (DbException) when (failure is not null)
        {
            // SQLite has rolled back by itself, as it does on a full disk; what it failed of is the news.
        }
    }

    private async Task ExecuteEachAsync(Transaction transaction, IEnumerable<string> statements, CancellationToken cancellation)
    {
        foreach (var statement in statements)
        {
            if (Adapt(statement) is { Length: > 0 } adapted) await transaction.ExecuteAsync(adapted, cancellation).ConfigureAwait(false);
        }
    }

    private static string Place(string stream, long number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"event {number} of {stream}");

    private static TaskCompletionSource NewHint() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
