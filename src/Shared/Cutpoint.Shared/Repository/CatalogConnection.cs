using System.Globalization;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Cutpoint.Repository;

/// <summary>
/// The SQLite file of a catalog: opening it with the system's library, its schema, and the wording of its errors. One caller at a time.
/// </summary>
internal sealed partial class CatalogConnection : IDisposable
{
    private const int BusyTimeoutSeconds = 30;

    private readonly SealedCatalogFile? _sealed;
    private SqliteConnection _connection;

    private CatalogConnection(string path, SqliteConnection connection, SealedCatalogFile? @sealed)
    {
        Path = path;
        _connection = connection;
        _sealed = @sealed;
    }

    public string Path { get; }

    /// <summary>Changes when commands made before can no longer be used.</summary>
    public int Generation { get; private set; }

    /// <summary>Opens a catalog.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">The key of an encrypted repository, else null.</param>
    /// <param name="isReadOnly">True when the directory cannot be written: nobody writes the file then, so nothing is locked.</param>
    /// <param name="create">True to make a new one; the file must not exist.</param>
    public static CatalogConnection Open(string path, DataKey? key, bool isReadOnly = false, bool create = false)
    {
        SqliteLibrary.Load();
        if (!create && !File.Exists(path))
        {
            throw new SnapshotException(
                ErrorCode.VerificationFailed, $"the catalog {path} is missing", "rebuild it from the packs with 'cutpoint repair'");
        }
        if (key is not null) return OpenSealed(path, key, isReadOnly, create);
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
        var connection = new CatalogConnection(path, new SqliteConnection(builder.ConnectionString), null);
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

    /// <summary>A command whose parameters are named $0, $1 and so on.</summary>
    public SqliteCommand Command(string text, params ReadOnlySpan<object?> values)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        for (var index = 0; index < values.Length; index++)
            command.Parameters.AddWithValue(string.Create(CultureInfo.InvariantCulture, $"${index}"), values[index] ?? DBNull.Value);
        return command;
    }

    /// <summary>Runs statements without a result.</summary>
    /// <returns>Rows changed.</returns>
    public int Execute(string text, params ReadOnlySpan<object?> values)
    {
        using var command = Command(text, values);
        return command.ExecuteNonQuery();
    }

    /// <summary>The first column of the first row, or null.</summary>
    public object? Scalar(string text, params ReadOnlySpan<object?> values)
    {
        using var command = Command(text, values);
        return command.ExecuteScalar();
    }

    /// <summary>Runs reads or statements that commit by themselves, and words their errors.</summary>
    public T Run<T>(Func<T> work)
    {
        try
        {
            Refresh();
            return work();
        }
        catch (SqliteException error)
        {
            throw Translate(error);
        }
        catch (Exception error) when (
            error is InvalidCastException or OverflowException or InvalidOperationException and not ObjectDisposedException)
        {
            // What the driver throws for a value of another type than the schema allows, which only damage puts there.
            throw Damaged(error.Message, error);
        }
    }

    /// <summary>Runs work in one transaction that holds the write lock from its start.</summary>
    /// <param name="work">The work; an exception rolls it back.</param>
    /// <param name="isDurable">True when it must survive a power cut from the moment this returns; else only the end of the
    /// process.</param>
    public T Write<T>(Func<T> work, bool isDurable) => Run(() =>
    {
        if (_sealed is not null) return WriteSealed(work, isDurable);
        Execute(isDurable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
        Execute("BEGIN IMMEDIATE");
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
    });

    /// <summary>What SQLite itself finds wrong with the file; empty when nothing.</summary>
    public IReadOnlyList<string> Check() => Run(() =>
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

    public void Dispose()
    {
        _connection.Dispose();
        _sealed?.Dispose();
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
        if (version > CatalogSchema.Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the catalog {Path} has version {version}, this program knows {CatalogSchema.Version}",
                "use a newer version of Cutpoint");
        }
        if (version == 0 && !create) throw Damaged("it has no tables");
        if (isReadOnly && version < CatalogSchema.Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the catalog {Path} is of version {version} and cannot be written",
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
                ErrorCode.Locked, $"the catalog {Path} was busy for {BusyTimeoutSeconds} seconds", "try again when other jobs have ended",
                error) { IsTransient = true },
            ReadOnly =>
                new SnapshotException(
                    ErrorCode.Failed, $"the catalog {Path} cannot be written", "check owner and mode of the repository", error),
            Full => new SnapshotException(
                ErrorCode.NoSpace, $"no space left to write the catalog {Path}", "free space, or run 'cutpoint forget' and 'cutpoint gc'",
                error),
            CannotOpen =>
                new SnapshotException(
                    ErrorCode.Failed, $"the catalog {Path} cannot be opened", "check owner and mode of the repository", error),
            Corrupt or NotADatabase => Damaged(error.Message, error),
            _ => Damaged(error.Message, error),
        };
    }

    private SnapshotException Damaged(string reason, Exception? inner = null) => new(
        ErrorCode.VerificationFailed, $"the catalog {Path} is damaged: {reason}", "rebuild it from the packs with 'cutpoint repair'",
        inner);
}
