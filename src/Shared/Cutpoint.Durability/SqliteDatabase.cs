using System.Data.Common;
using Cutpoint.Repository;
using Microsoft.Data.Sqlite;

namespace Cutpoint.Durability;

/// <summary>
/// A database in one file, for one machine. A transaction takes the write lock at its start, so that workers of any number of processes go one after the
/// other. The file has no clock of its own: the machine's is its clock.
/// </summary>
public sealed class SqliteDatabase : Database
{
    private const int BusyTimeoutSeconds = 30;

    private readonly SqliteConnection _connection;
    private readonly SemaphoreSlim _turn = new(1, 1);

    private SqliteDatabase(string path, SqliteConnection connection, TimeProvider time)
        : base(time)
    {
        Name = path;
        _connection = connection;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    internal override string TakeUnlocked => "";

    internal override string HoldRow => "";

    /// <summary>Opens a file, which is made when it is not there, readable for its owner only, and brings its schema up to date.</summary>
    /// <param name="path">The file.</param>
    /// <param name="survivesPowerCut">
    /// True when a commit must be on the disk before it returns. False is right where everything the events are about ends with the machine too: they survive
    /// the end of every process, and a power cut leaves the database whole but may take the last commits.
    /// </param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the call.</param>
    /// <param name="payloads">Encrypts what events say; null to keep it in the clear.</param>
    /// <exception cref="SnapshotException">The file cannot be opened, is damaged, or is of a newer program.</exception>
    public static async Task<SqliteDatabase> OpenAsync(
        string path, bool survivesPowerCut, TimeProvider time, CancellationToken cancellation, TextCipher? payloads = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(time);
        SqliteLibrary.Load();
        SqliteDatabase? database = null;
        try
        {
            // SQLite takes an empty file for a new database, and gives its log the mode of the database.
            if (!File.Exists(path)) CreateEmpty(path);
            var connection = new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = path, Mode = SqliteOpenMode.ReadWrite, DefaultTimeout = BusyTimeoutSeconds, Pooling = false,
            }.ConnectionString);
            database = new SqliteDatabase(path, connection, time) { Payloads = payloads };
            connection.Open();
            connection.CreateFunction("database_now", () => time.GetUtcNow().ToUnixTimeMilliseconds());
            using (var settings = connection.CreateCommand())
            {
                settings.CommandText = $"PRAGMA journal_mode = WAL; PRAGMA synchronous = {(survivesPowerCut ? "FULL" : "NORMAL")}";
                settings.ExecuteNonQuery();
            }
            await database.MigrateAsync(cancellation).ConfigureAwait(false);
            return database;
        }
        catch (Exception error)
        {
            if (database is not null) await database.DisposeAsync().ConfigureAwait(false);
            if (error is SqliteException wrong) throw Translate(path, wrong);
            if (error is IOException or UnauthorizedAccessException)
                throw new SnapshotException(ErrorCode.Failed, $"{path} cannot be opened: {error.Message}", "check owner and mode of its directory", error);
            throw;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (SqliteException)
        {
            // A transaction SQLite has rolled back by itself, on a full disk, is rolled back once more here; whoever began it was told.
        }
        _turn.Dispose();
    }

    internal override string Adapt(string statement) =>
        statement.StartsWith("{postgres}", StringComparison.Ordinal)
            ? "" : statement.Replace("{identity}", "INTEGER PRIMARY KEY AUTOINCREMENT", StringComparison.Ordinal);

    internal override bool IsDuplicate(DbException error)
    {
        const int Unique = 2067, PrimaryKey = 1555;
        return error is SqliteException { SqliteExtendedErrorCode: Unique or PrimaryKey };
    }

    private protected override async ValueTask<DbConnection> OpenAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        return _connection;
    }

    private protected override ValueTask<DbTransaction> BeginAsync(DbConnection connection, CancellationToken cancellation) =>
        ValueTask.FromResult<DbTransaction>(_connection.BeginTransaction(deferred: false));

    private protected override ValueTask CloseAsync(DbConnection connection)
    {
        _turn.Release();
        return default;
    }

    private protected override SnapshotException Translate(DbException error) => Translate(Name, (SqliteException)error);

    private static void CreateEmpty(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0 };
        options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        new FileStream(path, options).Dispose();
    }

    private static SnapshotException Translate(string path, SqliteException error)
    {
        const int Busy = 5, Locked = 6, ReadOnly = 8, Full = 13, CannotOpen = 14;
        return error.SqliteErrorCode switch
        {
            Busy or Locked => new SnapshotException(
                ErrorCode.Locked, $"{path} was busy for {BusyTimeoutSeconds} seconds", "try again when other jobs have ended", error) { IsTransient = true },
            ReadOnly or CannotOpen => new SnapshotException(ErrorCode.Failed, $"{path} cannot be written", "check owner and mode of its directory", error),
            Full => new SnapshotException(ErrorCode.NoSpace, $"no space left to write {path}", "free space", error),
            _ => new SnapshotException(
                ErrorCode.VerificationFailed, $"{path} is damaged: {error.Message}",
                "move it away; checkpoints do not need it, only interrupted jobs are lost with it", error),
        };
    }
}
