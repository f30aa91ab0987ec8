using System.Data.Common;
using System.Globalization;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Cutpoint.Repository;

/// <summary>A catalog in SQLite, in a file or, encrypted, in memory: opening it with the system's library, its schema, and the wording of its errors.</summary>
internal sealed partial class SqliteCatalog : CatalogConnection
{
    private const int BusyTimeoutSeconds = 30;

    private readonly SealedStore? _sealed;
    private SqliteConnection _connection;

    private SqliteCatalog(string name, SqliteConnection connection, SealedStore? @sealed)
    {
        Name = name;
        _connection = connection;
        _sealed = @sealed;
    }

    public override string Name { get; }

    protected override DbConnection Database => _connection;

    /// <summary>Opens a catalog.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The key of an encrypted repository, else null.</param>
    /// <param name="isReadOnly">True when the directory cannot be written: nobody writes the file then, so nothing is locked.</param>
    /// <param name="create">True to make a new one; the file must not exist.</param>
    public static SqliteCatalog Open(string path, DataKey? key, bool isReadOnly = false, bool create = false)
    {
        SqliteLibrary.Load();
        if (!create && !File.Exists(path))
        {
            throw new SnapshotException(
                ErrorCode.VerificationFailed, $"the catalog {path} is missing", "rebuild it from the packs with 'cutpoint repair'");
        }
        if (key is not null) return OpenSealed(new SealedCatalogFile(path, key), isReadOnly, create);
        if (isReadOnly && new FileInfo(path + "-wal") is { Exists: true, Length: > 0 })
        {
            // Taken without its log the catalog would lack what was committed last, silently.
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the catalog {path} was not closed by its last user and cannot be written now",
                "open the repository once where it can be written");
        }
        if (create)
        {
            // SQLite takes an empty file for a new database, and gives its log the mode of the database.
            using (PosixFile.Create(path))
            {
            }
        }
        var builder = new SqliteConnectionStringBuilder
        {
            DataSource = isReadOnly ? $"file:{Uri.EscapeDataString(path)}?immutable=1" : path,
            Mode = isReadOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWrite,
            DefaultTimeout = BusyTimeoutSeconds,
            Pooling = false,
        };
        var connection = new SqliteCatalog($"the catalog {path}", new SqliteConnection(builder.ConnectionString), null);
        try
        {
            connection.Start(isReadOnly, create);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public override T Run<T>(Func<T> work) => Worded(() =>
    {
        Refresh();
        return work();
    });

    public override T Read<T>(Func<T> work) => Run(() => InTransaction("BEGIN", work));

    public override T Write<T>(Func<T> work, bool isDurable) => _sealed is not null ? Worded(() => WriteSealed(work, isDurable)) : Run(() =>
    {
        Execute(isDurable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        return InTransaction("BEGIN IMMEDIATE", work);
    });

    public override IReadOnlyList<string> Check() => Run(() =>
    {
        using var command = Command("PRAGMA integrity_check(10)");
        using var reader = command.ExecuteReader();
        var findings = new List<string>();
        while (reader.Read())
        {
            if (reader.GetString(0) is var text and not "ok") findings.Add(text);
        }
        return findings;
    });

    public override void Dispose()
    {
        lock (Gate)
        {
            _connection.Dispose();
            _sealed?.Dispose();
        }
    }

    private T Worded<T>(Func<T> work)
    {
        lock (Gate)
        {
            try
            {
                return work();
            }
            catch (SqliteException error)
            {
                throw Translate(error);
            }
            catch (Exception error) when (IsDamage(error))
            {
                throw Damaged(error.Message, error);
            }
        }
    }

    private T InTransaction<T>(string begin, Func<T> work)
    {
        Execute(begin);
        try
        {
            var result = work();
            Execute("COMMIT");
            return result;
        }
        catch
        {
            // A full disk may have rolled back already; then there is no transaction to end and the first error is the one to tell.
            if (raw.sqlite3_get_autocommit(_connection.Handle) == 0) Execute("ROLLBACK");
            throw;
        }
    }

    private void Start(bool isReadOnly, bool create) => Run(() =>
    {
        _connection.Open();
        Execute("PRAGMA foreign_keys = ON");
        if (!isReadOnly) Execute("PRAGMA journal_mode = WAL");
        if (CheckVersion(isReadOnly, create) == CatalogSchema.Version) return true;
        return Write(
            () =>
            {
                // Somebody else may have done it while this process waited for the lock.
                Migrate((int)(long)Scalar("PRAGMA user_version")!);
                return true;
            },
            isDurable: true);
    });

    /// <summary>The version of the schema, when this program can use it as it is or bring it up to date.</summary>
    private int CheckVersion(bool isReadOnly, bool create)
    {
        var version = (int)(long)Scalar("PRAGMA user_version")!;
        if (version > CatalogSchema.Version) throw OfOtherVersion(version, CatalogSchema.Version);
        if (version < 0 || (version == 0 && !create)) throw Damaged(version == 0 ? "it has no tables" : $"its version is {version}");
        if (isReadOnly && version < CatalogSchema.Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"{Name} is of version {version} and cannot be written",
                "make it writable once, so that it is brought up to date");
        }
        return version;
    }

    private void Migrate(int version)
    {
        for (var step = version; step < CatalogSchema.Version; step++) Execute(CatalogSchema.Steps[step]);
        Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version = {CatalogSchema.Version}"));
    }

    private SnapshotException Translate(SqliteException error)
    {
        const int Busy = 5, Locked = 6, ReadOnly = 8, Corrupt = 11, Full = 13, CannotOpen = 14, NotADatabase = 26;
        return error.SqliteErrorCode switch
        {
            Busy or Locked => new SnapshotException(
                ErrorCode.Locked, $"{Name} was busy for {BusyTimeoutSeconds} seconds", "try again when other jobs have ended",
                error) { IsTransient = true },
            ReadOnly =>
                new SnapshotException(
                    ErrorCode.Failed, $"{Name} cannot be written", "check owner and mode of the repository", error),
            Full => new SnapshotException(
                ErrorCode.NoSpace, $"no space left to write {Name}", "free space, or run 'cutpoint forget' and 'cutpoint gc'",
                error),
            CannotOpen =>
                new SnapshotException(
                    ErrorCode.Failed, $"{Name} cannot be opened", "check owner and mode of the repository", error),
            Corrupt or NotADatabase => Damaged(error.Message, error),
            _ => Damaged(error.Message, error),
        };
    }
}
