using System.Runtime.InteropServices;
using Cutpoint.Compression;
using SQLitePCL;

namespace Cutpoint.Repository;

/// <summary>The system's SQLite under Microsoft.Data.Sqlite: no native library is shipped.</summary>
public static class SqliteLibrary
{
    private const int MinVersion = 3_040_000;

    private static readonly Lazy<bool> Loaded = new(LoadOnce);

    /// <summary>Loads it, once. Must be called before the first connection of the process.</summary>
    /// <exception cref="SnapshotException">It is not installed, or too old.</exception>
    public static void Load() => _ = Loaded.Value;

    private static bool LoadOnce()
    {
        var handle = NativeLibraries.Load(NativeLibraries.Sqlite);
        NativeLibrary.SetDllImportResolver(typeof(SQLite3Provider_e_sqlite3).Assembly, (name, _, _) => name == "e_sqlite3" ? handle : 0);
        raw.SetProvider(new SQLite3Provider_e_sqlite3());
        if (raw.sqlite3_libversion_number() >= MinVersion) return true;
        throw new SnapshotException(
            ErrorCode.Incompatible,
            $"{NativeLibraries.Sqlite} is of version {raw.sqlite3_libversion().utf8_to_string()}; 3.40 or newer is needed",
            "upgrade the Debian package libsqlite3-0") { IsPreflight = true };
    }
}
