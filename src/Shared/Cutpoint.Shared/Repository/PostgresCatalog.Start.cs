using System.Globalization;
using Npgsql;

namespace Cutpoint.Repository;

// Beginning with a database: whose catalog it has, its schema, and what is said when it cannot be used.
internal sealed partial class PostgresCatalog
{
    /// <summary>Two that begin at once go one after the other, before there is a row they could take.</summary>
    private const long StartLock = 4832119274103;

    /// <summary>Sees that the database has the catalog of this repository, of a version that can be used.</summary>
    private void CheckRepository()
    {
        if (!HasTables()) throw NotThere();
        var version = ReadVersion();
        if (version < _steps.Length) Begin(() => Migrate(ReadVersion()));
        _generation = ReadGeneration() ?? throw NotThere();
    }

    private void Initialise(Action<PostgresCatalog> publish) => Begin(() =>
    {
        if ((string)Scalar("SHOW server_encoding")! != "UTF8")
            throw new SnapshotException(ErrorCode.Usage, $"{_database.Name} is not in UTF-8", "create one with 'createdb --encoding=UTF8 --template=template0'") { IsPreflight = true };
        if (HasTables())
        {
            throw new SnapshotException(
                ErrorCode.Usage, $"{_database.Name} has the catalog of repository {ReadRepository() ?? "unknown"}", "name a database of its own") { IsPreflight = true };
        }
        EnsureTables();
        publish(this);
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
        return version <= _steps.Length ? (int)version : throw OfOtherVersion(version, _steps.Length);
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
        for (var step = version; step < _steps.Length; step++)
        {
            Execute(_steps[step]);
            Execute(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO schema_version (version) VALUES ({step + 1})"));
        }
    }

    private SnapshotException NotThere() => new(
        ErrorCode.VerificationFailed, $"{_database.Name} has no catalog of repository {_repository}",
        "name another database, put it back from a backup, or rebuild it from the packs with 'cutpoint repair'");

    private SnapshotException Unsure(NpgsqlException error) => new(
        ErrorCode.Failed, $"{_database.Name} was lost during a write, and does not say yet whether that took place", "look at 'cutpoint list' when it is back", error) { IsTransient = true };

    private SnapshotException Translate(NpgsqlException error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => new SnapshotException(
            ErrorCode.Locked, $"{_database.Name} was busy for 30 seconds", "try again when other jobs have ended", error) { IsTransient = true },
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName } => NotThere(),
        _ => PostgresServerAccess.Explain(error, _database.Name, Schema),
    };
}
