using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>
/// The key of an encrypted repository, for its life: 256 random bits. Nothing is encrypted with it; every use has a key of its own, derived by
/// HKDF-SHA-256 from its purpose and the repository's id. Safe for concurrent use.
/// </summary>
internal sealed class DataKey(Ulid repository, byte[] octets)
{
    public const int Length = 32;

    private readonly byte[] _octets = octets.Length == Length ? octets : throw new ArgumentException($"A data key has {Length} octets.", nameof(octets));

    public Ulid Repository => repository;

    /// <summary>The octets, to be sealed in a slot.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    public static DataKey Create(Ulid repository) => new(repository, RandomNumberGenerator.GetBytes(Length));

    /// <summary>A key for one purpose.</summary>
    /// <param name="purpose">The purpose.</param>
    /// <param name="salt">Random octets that make it a key of its own among those of the purpose; may be empty.</param>
    /// <param name="length">Octets of the key.</param>
    public byte[] Derive(string purpose, ReadOnlySpan<byte> salt = default, int length = Length)
    {
        var info = new byte[Encoding.ASCII.GetByteCount(purpose) + 16];
        BinaryPrimitives.WriteUInt128BigEndian(info, repository.Value);
        Encoding.ASCII.GetBytes(purpose, info.AsSpan(16));
        var key = new byte[length];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _octets, key, salt, info);
        return key;
    }

    /// <summary>The secret of the page hashes.</summary>
    public byte[] HashSecret() => Derive("page hashes", length: PageHasher.SecretLength);
}
