using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Cutpoint.Repository;

// An encrypted catalog: the database is in memory, where all statements run as they do on a file; a file, or rows of another database, have what makes it, encrypted.
internal sealed partial class SqliteCatalog
{
    /// <summary>Opens an encrypted catalog.</summary>
    /// <param name="store">Where it lies; owned, also when this throws.</param>
    /// <param name="isReadOnly">True when nothing can be written there.</param>
    /// <param name="create">True to make a new one.</param>
    public static SqliteCatalog OpenSealed(SealedStore store, bool isReadOnly = false, bool create = false)
    {
        SqliteLibrary.Load();
        var connection = new SqliteCatalog(store.Name, InMemory(), store);
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
        _sealed!.InTurn(ReplaceImage);
    }

    private void StartSealed(bool isReadOnly) => Run(() =>
    {
        if (CheckVersion(isReadOnly, create: false) == CatalogSchema.Version) return true;
        return _sealed!.InTurn(() =>
        {
            // Somebody else may have done it while this process waited for its turn.
            Refresh();
            var version = CheckVersion(isReadOnly, create: false);
            if (version == CatalogSchema.Version) return true;
            // Only changes of rows are recorded, so the image is made anew.
            Migrate(version);
            return ReplaceImage();
        });
    });

    private bool ReplaceImage()
    {
        _sealed!.Replace(SqliteImage.Write(_connection.Handle!));
        return true;
    }

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

    /// <summary>Writes what work changes to the store before it counts here. Should the store lose it all the same, it makes the next refresh begin with the image.</summary>
    private T WriteSealed<T>(Func<T> work, bool isDurable) => _sealed!.InTurn(() =>
    {
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
            // Whether the record counts is for the store to say.
            _sealed.Forget();
            throw;
        }
    });

    /// <summary>An image in place of the changes that led to it.</summary>
    private void Shorten()
    {
        try
        {
            ReplaceImage();
        }
        catch (SnapshotException error) when (error.Code == ErrorCode.NoSpace)
        {
            // The long file is as good; the next write tries again.
        }
    }
}
