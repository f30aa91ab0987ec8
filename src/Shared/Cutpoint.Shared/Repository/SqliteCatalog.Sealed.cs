using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Cutpoint.Repository;

// An encrypted catalog: the database is in memory, where all statements run as they do on a file; the file has what makes it, encrypted.
internal sealed partial class SqliteCatalog
{
    private static SqliteCatalog OpenSealed(string path, DataKey key, bool isReadOnly, bool create)
    {
        var connection = new SqliteCatalog(path, InMemory(), new SealedCatalogFile(path, key));
        try
        {
            if (create) connection.CreateSealed();
            else connection.StartSealed(isReadOnly);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static SqliteConnection InMemory() =>
        new(new SqliteConnectionStringBuilder { DataSource = ":memory:", Pooling = false, DefaultTimeout = BusyTimeoutSeconds }.ConnectionString);

    private void CreateSealed()
    {
        _connection.Open();
        Migrate(0);
        using (_sealed!.Lock()) _sealed.Replace(SqliteImage.Write(_connection.Handle!));
    }

    private void StartSealed(bool isReadOnly) => Run(() =>
    {
        if (CheckVersion(isReadOnly, create: false) == CatalogSchema.Version) return true;
        using (_sealed!.Lock())
        {
            // Somebody else may have done it while this process waited for the lock.
            Refresh();
            var version = CheckVersion(isReadOnly, create: false);
            if (version == CatalogSchema.Version) return true;
            // Only changes of rows are recorded, so the file begins anew.
            Migrate(version);
            _sealed.Replace(SqliteImage.Write(_connection.Handle!));
            return true;
        }
    });

    /// <summary>Takes in what others have written.</summary>
    private void Refresh()
    {
        if (_sealed is null) return;
        try
        {
            var records = _sealed.ReadNew(out var isReplaced);
            if (isReplaced) Load(records[0]);
            if (records.Count == (isReplaced ? 1 : 0)) return;
            // The records have what the references did when they were made.
            Execute("PRAGMA foreign_keys = OFF");
            foreach (var change in records.Skip(isReplaced ? 1 : 0))
            {
                if (!SqliteImage.Apply(_connection.Handle!, change)) throw Damaged("its changes do not fit each other");
            }
            Execute("PRAGMA foreign_keys = ON");
        }
        catch
        {
            _sealed.Forget();
            throw;
        }
    }

    private void Load(byte[] image)
    {
        var fresh = InMemory();
        try
        {
            fresh.Open();
            if (!SqliteImage.Read(fresh.Handle!, image)) throw Damaged("its image is none of a database");
        }
        catch
        {
            fresh.Dispose();
            throw;
        }
        _connection.Dispose();
        _connection = fresh;
        Generation++;
        Execute("PRAGMA foreign_keys = ON");
    }

    /// <summary>Writes what work changes to the file before it counts here.</summary>
    private T WriteSealed<T>(Func<T> work, bool isDurable)
    {
        using var turn = _sealed!.Lock();
        Refresh();
        Execute("BEGIN IMMEDIATE");
        try
        {
            var (result, changes) = SqliteImage.Record(_connection.Handle!, work);
            if (changes.Length > 0) _sealed.Append(changes, isDurable);
            Execute("COMMIT");
            if (_sealed.IsLong) Shorten();
            return result;
        }
        catch
        {
            if (raw.sqlite3_get_autocommit(_connection.Handle) == 0) Execute("ROLLBACK");
            // Whether the record counts is for the file to say.
            _sealed.Forget();
            throw;
        }
    }

    /// <summary>An image in place of the changes that led to it.</summary>
    private void Shorten()
    {
        try
        {
            _sealed!.Replace(SqliteImage.Write(_connection.Handle!));
        }
        catch (SnapshotException error) when (error.Code == ErrorCode.NoSpace)
        {
            // The long file is as good; the next write tries again.
        }
    }
}
