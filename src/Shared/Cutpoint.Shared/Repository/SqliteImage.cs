using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cutpoint.Compression;
using SQLitePCL;

namespace Cutpoint.Repository;

/// <summary>What SQLite does for databases in memory, and its managed wrappers do not offer: images, and changes that can be applied to another copy.</summary>
internal static unsafe partial class SqliteImage
{
    private const int FreeOnClose = 1, Resizeable = 2;
    private const int ConflictAborts = 2;

    static SqliteImage()
    {
        NativeLibraries.Register();
        if (!NativeLibrary.TryGetExport(NativeLibraries.Load(NativeLibraries.Sqlite), "sqlite3session_create", out _))
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"{NativeLibraries.Sqlite} was built without sessions, which encrypted repositories need",
                "use one built with SQLITE_ENABLE_SESSION, as Debian's is") { IsPreflight = true };
        }
    }

    /// <summary>The octets of a database.</summary>
    public static byte[] Write(sqlite3 database)
    {
        var octets = sqlite3_serialize(database.DangerousGetHandle(), "main", out var length, 0);
        if (octets is null) throw new InsufficientMemoryException();
        try
        {
            return new ReadOnlySpan<byte>(octets, checked((int)length)).ToArray();
        }
        finally
        {
            sqlite3_free(octets);
        }
    }

    /// <summary>Puts the octets of a database into the place of another.</summary>
    /// <returns>False when they are none.</returns>
    public static bool Read(sqlite3 database, ReadOnlySpan<byte> image)
    {
        if (image.IsEmpty) return false;
        // SQLite frees it, also when it fails.
        var octets = (byte*)sqlite3_malloc64((ulong)image.Length);
        if (octets is null) throw new InsufficientMemoryException();
        image.CopyTo(new Span<byte>(octets, image.Length));
        return sqlite3_deserialize(database.DangerousGetHandle(), "main", octets, image.Length, image.Length, FreeOnClose | Resizeable) == 0;
    }

    /// <summary>Runs work and records what it changes in the tables.</summary>
    public static (T Result, byte[] Changes) Record<T>(sqlite3 database, Func<T> work)
    {
        Check(sqlite3session_create(database.DangerousGetHandle(), "main", out var session));
        try
        {
            Check(sqlite3session_attach(session, null));
            var result = work();
            Check(sqlite3session_changeset(session, out var length, out var changes));
            try
            {
                return (result, new ReadOnlySpan<byte>(changes, length).ToArray());
            }
            finally
            {
                sqlite3_free(changes);
            }
        }
        finally
        {
            sqlite3session_delete(session);
        }
    }

    /// <summary>Makes recorded changes to a copy of the database they were made to.</summary>
    /// <returns>False when it is no copy.</returns>
    public static bool Apply(sqlite3 database, byte[] changes)
    {
        fixed (byte* octets = changes)
            return sqlite3changeset_apply(database.DangerousGetHandle(), changes.Length, octets, null, &Conflict, null) == 0;
    }

    private static void Check(int result)
    {
        if (result != 0) throw new Microsoft.Data.Sqlite.SqliteException("changes could not be recorded", result);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Conflict(void* context, int conflict, void* iterator) => ConflictAborts;

    [LibraryImport(NativeLibraries.Sqlite, StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* sqlite3_serialize(nint database, string schema, out long length, uint flags);

    [LibraryImport(NativeLibraries.Sqlite, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int sqlite3_deserialize(nint database, string schema, byte* octets, long length, long room, uint flags);

    [LibraryImport(NativeLibraries.Sqlite)]
    private static partial void* sqlite3_malloc64(ulong length);

    [LibraryImport(NativeLibraries.Sqlite)]
    private static partial void sqlite3_free(void* octets);

    [LibraryImport(NativeLibraries.Sqlite, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int sqlite3session_create(nint database, string schema, out nint session);

    [LibraryImport(NativeLibraries.Sqlite, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int sqlite3session_attach(nint session, string? table);

    [LibraryImport(NativeLibraries.Sqlite)]
    private static partial int sqlite3session_changeset(nint session, out int length, out byte* changes);

    [LibraryImport(NativeLibraries.Sqlite)]
    private static partial void sqlite3session_delete(nint session);

    [LibraryImport(NativeLibraries.Sqlite)]
    private static partial int sqlite3changeset_apply(
        nint database, int length, byte* changes, void* filter, delegate* unmanaged[Cdecl]<void*, int, void*, int> conflict, void* context);
}
