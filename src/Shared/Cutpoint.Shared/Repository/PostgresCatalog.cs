using System.Data;
using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace Cutpoint.Repository;

/// <summary>
/// A catalog in a PostgreSQL database, for coordinators on any number of hosts. Transactions are READ COMMITTED, and each that writes first takes the row of the
/// repository: writers go one after the other, as on SQLite, and see everything that was committed before. A connection that was lost is made again for a
/// while; whether a commit took place whose answer was lost is asked of the server.
/// </summary>
internal sealed partial class PostgresCatalog : CatalogConnection
{
    public const string Schema = "cutpoint_catalog";

    /// <summary>The server's clock, in milliseconds since 1970.</summary>
    public const string Now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

    /// <summary>How long a server that was there is waited for: it may be restarting, and no lease of a job lasts much longer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly RepositoryDatabase _database;
    private readonly string[] _steps;
    private readonly NpgsqlDataSource _source;
    private readonly Ulid _repository;
    private readonly TimeProvider _time;
    private NpgsqlConnection? _connection;
    private bool _wasOpen;
    private bool _isInTransaction;
    private long _generation;

    private PostgresCatalog(RepositoryDatabase database, Ulid repository, bool isSealed, TimeProvider time)
    {
        _database = database;
        _steps = isSealed ? CatalogSchema.SealedPostgresSteps : CatalogSchema.PostgresSteps;
        _repository = repository;
        _time = time;
        _source = PostgresServerAccess.Connect(Settings(database));
    }

    public override string Name => $"the catalog in {_database.Name}";

    /// <summary>Connections besides the one the catalog is used by.</summary>
    public NpgsqlDataSource Source => _source;

    protected override DbConnection Database => _connection!;

    /// <summary>Opens the catalog of a repository, and brings its schema up to date. Of an encrypted one <see cref="SealedRows"/> reads what it says; jobs and locks need no key.</summary>
    /// <exception cref="SnapshotException">The server cannot be reached or refuses, the database has no catalog or that of another repository, or it is of a newer program.</exception>
    public static PostgresCatalog Open(RepositoryDatabase database, Ulid repository, bool isSealed, TimeProvider time) =>
        Start(database, repository, isSealed, time, static catalog => catalog.CheckRepository());

    /// <summary>Makes the catalog of a new repository, in a database that has none.</summary>
    /// <param name="database">The database.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="isSealed">True when it is encrypted.</param>
    /// <param name="time">The clock.</param>
    /// <param name="publish">Makes the directory a repository, in the transaction; nothing is left in the database when this throws.</param>
    public static PostgresCatalog Create(RepositoryDatabase database, Ulid repository, bool isSealed, TimeProvider time, Action<PostgresCatalog> publish) =>
        Start(database, repository, isSealed, time, catalog => catalog.Initialise(publish));

    /// <summary>Opens the catalog to rebuild it, alone; a database that has none gets one.</summary>
    /// <exception cref="SnapshotException">Others use it (<see cref="ErrorCode.Locked"/>), or what opening throws.</exception>
    public static PostgresCatalog OpenForRepair(RepositoryDatabase database, Ulid repository, bool isSealed, TimeProvider time) =>
        Start(
            database, repository, isSealed, time,
            static catalog =>
            {
                catalog.Take(UseLock, "the repository is in use");
                catalog.Begin(catalog.EnsureTables);
            });

    public override T Run<T>(Func<T> work)
    {
        lock (Gate) return _isInTransaction ? work() : Try(work, static () => false);
    }

    public override T Read<T>(Func<T> work)
    {
        lock (Gate)
        {
            return _isInTransaction ? work() : Try(
                () => Transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work, static () => { }, static () => { }), static () => false);
        }
    }

    public override T Write<T>(Func<T> work, bool isDurable)
    {
        lock (Gate)
        {
            long? unsure = null;
            T? done = default;
            return Try(
                () =>
                {
                    if (unsure is { } transaction && IsCommitted(transaction)) return done!;
                    unsure = null;
                    long number = 0;
                    done = Transact("BEGIN", work, () => number = Take(), () => unsure = number);
                    unsure = null;
                    return done;
                },
                () => unsure is not null);
        }
    }

    public override void ExecuteEach(string text, IEnumerable<object?[]> rows)
    {
        const int MaxBatch = 500;
        foreach (var chunk in rows.Chunk(MaxBatch))
        {
            using var batch = new NpgsqlBatch(_connection);
            foreach (var row in chunk)
            {
                var command = new NpgsqlBatchCommand(text);
                for (var index = 0; index < row.Length; index++)
                    command.Parameters.Add(new NpgsqlParameter(string.Create(CultureInfo.InvariantCulture, $"@{index}"), row[index] ?? DBNull.Value));
                batch.BatchCommands.Add(command);
            }
            batch.ExecuteNonQuery();
        }
    }

    /// <summary>Nothing that would not take a server's administrator: its files are checked by its own tools.</summary>
    public override IReadOnlyList<string> Check() => [];

    public override void Dispose()
    {
        lock (Gate)
        {
            Unlock();
            Close();
            _source.Dispose();
        }
    }

    private static NpgsqlConnectionStringBuilder Settings(RepositoryDatabase database) => new NpgsqlConnectionStringBuilder(database.ConnectionString)
    {
        SearchPath = Schema,
        Enlist = false,
        Timeout = 10,
        CommandTimeout = 60,
        KeepAlive = 10,
        MaxAutoPrepare = 32,
        MaxPoolSize = 16,
        ApplicationName = string.Create(CultureInfo.InvariantCulture, $"cutpoint {Environment.ProcessId} on {Environment.MachineName}"),
        // A process that is stopped while it holds the row of the repository would hold up every other one.
        Options = "-c lock_timeout=30s -c idle_in_transaction_session_timeout=15s -c default_transaction_isolation=read\\ committed",
    };

    private static PostgresCatalog Start(RepositoryDatabase database, Ulid repository, bool isSealed, TimeProvider time, Action<PostgresCatalog> begin)
    {
        var catalog = new PostgresCatalog(database, repository, isSealed, time);
        try
        {
            catalog.Run(() =>
            {
                begin(catalog);
                return true;
            });
            catalog._wasOpen = true;
            return catalog;
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }

    /// <summary>Runs work on an open connection. One that is lost is made again, for as long as a server takes that starts anew.</summary>
    /// <param name="work">The work; begun again after a loss.</param>
    /// <param name="isUnsure">True when it is not known whether what was done counts.</param>
    private T Try<T>(Func<T> work, Func<bool> isUnsure)
    {
        long? since = null;
        while (true)
        {
            try
            {
                EnsureOpen();
                return work();
            }
            catch (NpgsqlException error) when (PostgresServerAccess.IsLost(error))
            {
                Close();
                since ??= _time.GetTimestamp();
                if (!_wasOpen || _time.GetElapsedTime(since.Value) >= Patience) throw isUnsure() ? Unsure(error) : Translate(error);
                Task.Delay(Pause, _time).GetAwaiter().GetResult();
            }
            catch (NpgsqlException error)
            {
                throw Translate(error);
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damaged(error.Message, error);
            }
        }
    }

    private T Transact<T>(string begin, Func<T> work, Action afterBegin, Action beforeCommit)
    {
        Execute(begin);
        _isInTransaction = true;
        try
        {
            afterBegin();
            var result = work();
            beforeCommit();
            Execute("COMMIT");
            return result;
        }
        catch (Exception error)
        {
            if (error is NpgsqlException lost && PostgresServerAccess.IsLost(lost)) throw;
            RollBack();
            throw;
        }
        finally
        {
            _isInTransaction = false;
        }
    }

    private void RollBack()
    {
        try
        {
            Execute("ROLLBACK");
        }
        catch (Exception error) when (error is NpgsqlException or InvalidOperationException)
        {
            // The server rolls back what it has no connection for; the first error is the one to tell.
            Close();
        }
    }

    /// <summary>Takes the row every writer takes, and says which transaction this is.</summary>
    private long Take()
    {
        using var command = Command("SELECT generation, txid_current() FROM repository WHERE id = @0 FOR UPDATE", _repository.ToString());
        using var reader = command.ExecuteReader();
        if (!reader.Read()) throw NotThere();
        if (reader.GetInt64(0) != _generation)
            throw new SnapshotException(ErrorCode.Locked, $"{Name} was rebuilt meanwhile", "begin again, or resume the job") { IsTransient = true };
        return reader.GetInt64(1);
    }

    /// <summary>True when a transaction took place whose answer was lost.</summary>
    private bool IsCommitted(long transaction) => Scalar("SELECT txid_status(@0)", transaction) switch
    {
        "committed" => true,
        "aborted" => false,
        // Its session has not noticed yet that nobody listens.
        var status => throw new NpgsqlException($"the transaction is {status ?? "unknown"}", new TimeoutException()),
    };

    private void EnsureOpen()
    {
        if (_connection is { State: ConnectionState.Open }) return;
        Close();
        _connection = _source.OpenConnection();
        Generation++;
        // A commit that is told must be on the server's disk, whatever the database is set to.
        Execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
        TakeSharedAgain();
    }

    private void Close()
    {
        _connection?.Dispose();
        _connection = null;
    }
}
