using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>
/// What a section is known by, wherever it comes from: the SHA-256 of what it is and of its payload; in an encrypted repository the HMAC-SHA-256, so that
/// nobody without the key can say whether a known content is in it. Safe for concurrent use.
/// </summary>
public sealed class SectionIdentity
{
    private readonly ThreadLocal<IncrementalHash>? _keyed;

    private SectionIdentity(byte[]? key)
    {
        Key = key;
        _keyed = key is null ? null : new ThreadLocal<IncrementalHash>(() => IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key));
    }

    /// <summary>That of repositories in the clear.</summary>
    public static SectionIdentity Plain { get; } = new(null);

    /// <summary>The key, for another node that makes sections for the same repository; null in the clear. It opens nothing that is stored.</summary>
    internal byte[]? Key { get; }

    internal static SectionIdentity Of(byte[]? key) => key is null ? Plain : new SectionIdentity(key);

    internal static SectionIdentity Keyed(DataKey key) => new(key.Derive("section identities"));

    internal Digest Of(ReadOnlySpan<byte> kind, ReadOnlySpan<byte> octets)
    {
        if (_keyed is null) return Sha256.Of(kind, octets);
        var hash = _keyed.Value!;
        hash.AppendData(kind);
        hash.AppendData(octets);
        Span<byte> result = stackalloc byte[Digest.Length];
        hash.GetHashAndReset(result);
        return new Digest(result);
    }
}
