using System.Data.Common;
using Cutpoint.Repository;
using Npgsql;

namespace Cutpoint.Durability;

/// <summary>
/// A PostgreSQL database, for any number of nodes. Transactions are READ COMMITTED: rows are claimed by locks that others skip, never by snapshots that
/// fail. Times in rows are by the server's clock.
/// </summary>
public sealed class PostgresDatabase : Database
{
    private const string Schema = "cutpoint";
    private const string Channel = "cutpoint_mailbox";
    private const int KeepAliveSeconds = 30;
    private const int ConnectSeconds = 5;
    private const int CommandSeconds = 15;

    /// <summary>A process that is stopped in the middle of a transaction keeps others from its rows no longer than that.</summary>
    private const string Options = "-c idle_in_transaction_session_timeout=5s";

    private static readonly TimeSpan ListenAgain = TimeSpan.FromSeconds(10);

    private readonly NpgsqlDataSource _source;
    private readonly CancellationTokenSource _closing = new();
    private Task _listening = Task.CompletedTask;

    private PostgresDatabase(string name, NpgsqlDataSource source, TimeProvider time)
        : base(time)
    {
        Name = name;
        _source = source;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    internal override string TakeUnlocked => " FOR UPDATE OF m SKIP LOCKED";

    internal override string HoldRow => " FOR SHARE";

    /// <summary>Connects and brings the schema <c>cutpoint</c> up to date.</summary>
    /// <param name="connectionString">Host, database, user and the like, as Npgsql takes them.</param>
    /// <param name="time">The clock of this process.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <param name="payloads">Encrypts what events say. Null where nobody does; where the database has an encrypted repository, events can then neither be written nor read.</param>
    /// <exception cref="SnapshotException">The server cannot be reached, or the schema is of a newer program.</exception>
    public static async Task<PostgresDatabase> OpenAsync(
        string connectionString, TimeProvider time, CancellationToken cancellation, TextCipher? payloads = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = Schema, KeepAlive = KeepAliveSeconds, Timeout = ConnectSeconds, CommandTimeout = CommandSeconds, Options = Options, Enlist = false,
        };
        var database = new PostgresDatabase(PostgresServerAccess.NameOf(settings), PostgresServerAccess.Connect(settings), time) { Payloads = payloads };
        try
        {
            await database.MigrateAsync(cancellation).ConfigureAwait(false);
            database.IsSealed = await database.TransactAsync(
                transaction => transaction.NumberAsync($"SELECT count(*) FROM pg_tables WHERE schemaname || '.' || tablename = '{DirectoryRepository.SealedTable}'", cancellation),
                cancellation).ConfigureAwait(false) > 0;
            return database;
        }
        catch
        {
            await database.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Begins to listen for hints of other nodes, on a connection of its own. A connection that breaks is made again; polling covers what is missed meanwhile.
    /// </summary>
    public void Listen() => _listening = Task.Run(() => ListenAsync(_closing.Token));

    /// <inheritdoc/>
    public override async ValueTask HintAsync(CancellationToken cancellation)
    {
        await base.HintAsync(cancellation).ConfigureAwait(false);
        try
        {
            // By itself, never inside of a transaction that does work: NOTIFY holds a lock of the whole database until its commit.
            var command = _source.CreateCommand($"NOTIFY {Channel}");
            await using (command.ConfigureAwait(false)) await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        }
        catch (DbException)
        {
            // The message is in its box; whoever polls finds it.
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _source.DisposeAsync().ConfigureAwait(false);
        _closing.Dispose();
    }

    internal override string Adapt(string statement) => statement
        .Replace("{postgres}", "", StringComparison.Ordinal)
        .Replace("{identity}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", StringComparison.Ordinal);

    internal override bool IsDuplicate(DbException error) => error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    private protected override async ValueTask<DbConnection> OpenAsync(CancellationToken cancellation)
    {
        try
        {
            return await _source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        }
        catch (DbException error)
        {
            throw Translate(error);
        }
    }

    private protected override ValueTask<DbTransaction> BeginAsync(DbConnection connection, CancellationToken cancellation) =>
        connection.BeginTransactionAsync(System.Data.IsolationLevel.ReadCommitted, cancellation);

    private protected override ValueTask CloseAsync(DbConnection connection) => connection.DisposeAsync();

    private protected override SnapshotException Translate(DbException error) => PostgresServerAccess.Explain((NpgsqlException)error, Name, Schema);

    private async Task ListenAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                var connection = await _source.OpenConnectionAsync(cancellation).ConfigureAwait(false);
                await using (connection.ConfigureAwait(false))
                {
                    connection.Notification += (_, _) => Hinted();
                    var command = connection.CreateCommand();
                    command.CommandText = $"LISTEN {Channel}";
                    await using (command.ConfigureAwait(false)) await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
                    while (true) await connection.WaitAsync(cancellation).ConfigureAwait(false);
                }
            }
            catch (DbException)
            {
                await Task.Delay(ListenAgain, Time, cancellation).ConfigureAwait(false);
            }
        }
    }
}
