using System.Globalization;
using Npgsql;

namespace Cutpoint.Repository;

// Beginning with a database: whose catalog it has, its schema, and what is said when it cannot be used.
internal sealed partial class PostgresCatalog
{
    /// <summary>Two that begin at once go one after the other, before there is a row they could take.</summary>
    private const long StartLock = 4832119274103;

    /// <summary>The server has ended a session that held up others.</summary>
    private const string IdleInTransaction = "25P03";

    /// <summary>Sees that the database has the catalog of this repository, of a version that can be used.</summary>
    private void CheckRepository()
    {
        if (!HasTables()) throw NotThere();
        var version = ReadVersion();
        if (version < CatalogSchema.Version) Begin(() => Migrate(ReadVersion()));
        _generation = ReadGeneration() ?? throw NotThere();
    }

    private void Initialise(Action publish) => Begin(() =>
    {
        if ((string)Scalar("SHOW server_encoding")! != "UTF8")
            throw new SnapshotException(ErrorCode.Usage, $"{_database.Name} is not in UTF-8", "create one with 'createdb --encoding=UTF8 --template=template0'") { IsPreflight = true };
        if (HasTables())
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"{_database.Name} has the catalog of repository {ReadRepository() ?? "unknown"}", "name a database of its own") { IsPreflight = true };
        }
        EnsureTables();
        publish();
    });

    /// <summary>Locks out everybody who had the catalog open before: nothing of theirs is written to it any more.</summary>
    public void Supersede() => _generation = Write(
        () => (long)Scalar("UPDATE repository SET generation = generation + 1 WHERE id = @0 RETURNING generation", _repository.ToString())!, isDurable: true);

    private void EnsureTables()
    {
        Migrate(HasTables() ? ReadVersion() : 0);
        if (ReadGeneration() is { } found)
        {
            _generation = found;
            return;
        }
        _generation = 1;
        Execute("INSERT INTO repository (id, generation) VALUES (@0, @1)", _repository.ToString(), _generation);
    }

    private void Begin(Action work) => Transact(
        "BEGIN",
        () =>
        {
            work();
            return true;
        },
        () => Execute("SELECT pg_advisory_xact_lock(@0)", StartLock),
        static () => { });

    private bool HasTables() => Scalar($"SELECT to_regclass('{Schema}.repository')::text") is string;

    private string? ReadRepository() => (string?)Scalar("SELECT id FROM repository LIMIT 1");

    private int ReadVersion()
    {
        var version = (long)Scalar("SELECT COALESCE(MAX(version), 0) FROM schema_version")!;
        return version <= CatalogSchema.Version ? (int)version : throw OfOtherVersion(version);
    }

    /// <summary>Null when the database has the tables, but no repository.</summary>
    private long? ReadGeneration()
    {
        if (ReadRepository() is not { } found) return null;
        if (found != _repository.ToString())
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"{_database.Name} has the catalog of repository {found}, {_database.Packs} is repository {_repository}",
                "name the directory and the database that belong together") { IsPreflight = true };
        }
        return (long)Scalar("SELECT generation FROM repository WHERE id = @0", found)!;
    }

    private void Migrate(int version)
    {
        if (version == 0)
        {
            // An administrator may have made the schema for a user who may not.
            if (Scalar($"SELECT to_regnamespace('{Schema}')::text") is not string) Execute($"CREATE SCHEMA {Schema}");
            Execute("CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY)");
        }
        for (var step = version; step < CatalogSchema.Version; step++)
        {
            Execute(CatalogSchema.PostgresStep(step));
            Execute(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO schema_version (version) VALUES ({step + 1})"));
        }
    }

    private SnapshotException NotThere() => new(
        ErrorCode.VerificationFailed, $"{_database.Name} has no catalog of repository {_repository}",
        "name another database, put it back from a backup, or rebuild it from the packs with 'cutpoint repair'");

    /// <summary>True for errors of a connection, which another may not have.</summary>
    private static bool IsLost(NpgsqlException error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or IdleInTransaction } => true,
        PostgresException refused => refused.SqlState.StartsWith("08", StringComparison.Ordinal),
        _ => !IsWithoutPassword(error) && error.InnerException is not System.Security.Authentication.AuthenticationException,
    };

    /// <summary>The driver has no code for it.</summary>
    private static bool IsWithoutPassword(NpgsqlException error) => error.Message.StartsWith("No password has been provided", StringComparison.Ordinal);

    private SnapshotException Unsure(NpgsqlException error) => new(
        ErrorCode.Failed, $"{_database.Name} was lost during a write, and does not say yet whether that took place", "look at 'cutpoint list' when it is back", error) { IsTransient = true };

    private SnapshotException Translate(NpgsqlException error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => Wrong(ErrorCode.NoSpace, "has no space left", "free space on its server"),
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => Wrong(
            ErrorCode.Locked, "was busy for 30 seconds", "try again when other jobs have ended", isTransient: true),
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => Wrong(ErrorCode.NotFound, "does not exist", "create it with 'createdb', or name another"),
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } refused => Wrong(
            ErrorCode.NotAuthorised, $"refuses: {refused.MessageText}", $"let the user own the database, or the schema {Schema} in it"),
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName } => NotThere(),
        PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } => Wrong(
            ErrorCode.Failed, "takes no writes", "name the primary server, not a standby"),
        PostgresException refused when refused.SqlState.StartsWith("28", StringComparison.Ordinal) => Wrong(
            ErrorCode.NotAuthorised, $"refuses: {refused.MessageText}", "check user and password: PGPASSWORD, ~/.pgpass, or passfile= in the location"),
        PostgresException refused => Wrong(ErrorCode.Failed, $"fails: {refused.MessageText} ({refused.SqlState})", "look into the server's log", error.IsTransient),
        _ when IsWithoutPassword(error) => Wrong(
            ErrorCode.NotAuthorised, "asks for a password", "give it in PGPASSWORD, ~/.pgpass, or a file named by passfile= in the location"),
        _ => Wrong(
            ErrorCode.Failed, $"cannot be reached: {(error.InnerException ?? error).Message}", "check that the server runs, the address, and sslmode", isTransient: true),
    };

    private SnapshotException Wrong(ErrorCode code, string message, string advice, bool isTransient = false) =>
        new(code, $"{_database.Name} {message}", advice) { IsTransient = isTransient };
}
