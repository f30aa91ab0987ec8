using System.Runtime.InteropServices;

namespace Cutpoint.Compression;

/// <summary>
/// The system's codec libraries, found by the names their runtime packages install. A missing one is an error that names the Debian
/// package, raised by the first call that needs it.
/// </summary>
internal static class NativeLibraries
{
    public const string Zstd = "libzstd.so.1";
    public const string Lz4 = "liblz4.so.1";
    public const string Xxhash = "libxxhash.so.0";
    public const string Zlib = "libz.so.1";
    public const string Lzo = "liblzo2.so.2";
    public const string Snappy = "libsnappy.so.1";
    public const string Sqlite = "libsqlite3.so.0";

    private static readonly Lazy<bool> Registration = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, (name, _, _) => PackageOf(name) is null ? 0 : Load(name));
        return true;
    });

    /// <summary>Makes the imports of this assembly resolve here. Called by the static constructor of every class with imports.</summary>
    public static void Register() => _ = Registration.Value;

    /// <summary>Loads a library by its versioned name.</summary>
    /// <exception cref="SnapshotException">It is not installed.</exception>
    public static nint Load(string name) => Load(name, library => NativeLibrary.TryLoad(library, out var handle) ? handle : 0);

    /// <summary>Loads a library by its versioned name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="load">Gives the handle of a library, or 0.</param>
    internal static nint Load(string name, Func<string, nint> load)
    {
        if (load(name) is var handle and not 0) return handle;
        var package = PackageOf(name);
        throw new SnapshotException(
            ErrorCode.Incompatible,
            $"the library {name} is not installed",
            package is null ? "install it" : $"install the Debian package {package}: apt-get install {package}")
        {
            IsPreflight = true,
        };
    }

    private static string? PackageOf(string name) => name switch
    {
        Zstd => "libzstd1",
        Lz4 => "liblz4-1",
        Xxhash => "libxxhash0",
        Zlib => "zlib1g",
        Lzo => "liblzo2-2",
        Snappy => "libsnappy1v5",
        Sqlite => "libsqlite3-0",
        _ => null,
    };
}
