using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>SHA-256 over octets in several places, with one working state per thread and no allocation per digest.</summary>
internal static class Sha256
{
    [ThreadStatic]
    private static IncrementalHash? _hash;

    private static IncrementalHash Hash => _hash ??= IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public static Digest Of(ReadOnlySpan<byte> octets) => Of(octets, []);

    public static Digest Of(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        var hash = Hash;
        hash.AppendData(first);
        hash.AppendData(second);
        Span<byte> result = stackalloc byte[Digest.Length];
        hash.GetHashAndReset(result);
        return new Digest(result);
    }
}
