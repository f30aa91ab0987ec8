using System.Runtime.InteropServices;

namespace Cutpoint.Compression;

/// <summary>XXH3-128, made by the system's libxxhash. Fast, well spread, not a cryptographic digest.</summary>
internal static unsafe class Xxh3
{
    /// <summary>Octets of a secret: the size of the default one, so that long inputs use all of it.</summary>
    public const int SecretLength = 192;

    private static readonly delegate* unmanaged<void*, nuint, Result> Plain;
    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*, nuint, Result> Keyed;

    static Xxh3()
    {
        var library = NativeLibraries.Load(NativeLibraries.Xxhash);
        Plain = (delegate* unmanaged<void*, nuint, Result>)Export(library, "XXH3_128bits");
        Keyed = (delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*, nuint, Result>)Export(library, "XXH3_128bits_withSecret");
    }

    /// <summary>The hash with the default secret, for octets of any length.</summary>
    public static UInt128 Hash(ReadOnlySpan<byte> octets)
    {
        fixed (byte* start = octets) return Plain(start, (nuint)octets.Length).Value;
    }

    /// <summary>
    /// The hash of at most a few KiB under a secret. The call takes well under a microsecond, so the garbage collector may wait for it.
    /// </summary>
    public static UInt128 Hash(byte* start, int length, byte* secret) => Keyed(start, (nuint)length, secret, SecretLength).Value;

    /// <summary>The build of the function that picks the widest vectors at run time where the library has one (Debian's has, for
    /// x86).</summary>
    private static nint Export(nint library, string name) =>
        NativeLibrary.TryGetExport(library, name + "_dispatch", out var chosen) ? chosen : NativeLibrary.GetExport(library, name);

    /// <summary>XXH128_hash_t: the low half comes first.</summary>
    private readonly struct Result(ulong low, ulong high)
    {
        private readonly ulong _low = low;
        private readonly ulong _high = high;

        public UInt128 Value => new(_high, _low);
    }
}
