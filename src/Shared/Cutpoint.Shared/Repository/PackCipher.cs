using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>
/// Encrypts the values one writer appends to a pack, and decrypts them. Every writer of a pack draws a salt, and so has a key nobody had before: not one that
/// died, not one that goes on with the pack, not one in a copy of the repository. It appends at an offset once, so offset and part of the value are a nonce
/// that no key sees twice. Repository, pack, length of the value and part are associated data: what was moved, exchanged or cut does not open. Safe for concurrent use.
/// </summary>
internal sealed class PackCipher : IDisposable
{
    public const int SaltLength = 16;
    public const int TagLength = 16;

    private const int NonceLength = sizeof(int) + sizeof(long);

    private readonly byte[] _key;
    private readonly byte[] _associated;
    private readonly ConcurrentBag<AesGcm> _idle = [];

    public PackCipher(DataKey key, PackId pack, ReadOnlySpan<byte> salt)
    {
        Salt = salt.ToArray();
        _key = key.Derive("pack", salt);
        _associated = new byte[36 + sizeof(long)];
        BinaryPrimitives.WriteUInt128BigEndian(_associated, key.Repository.Value);
        BinaryPrimitives.WriteUInt128BigEndian(_associated.AsSpan(16), pack.Job.Value);
        BinaryPrimitives.WriteInt32BigEndian(_associated.AsSpan(32), pack.Number);
    }

    public byte[] Salt { get; }

    /// <summary>Encrypts a part of a value.</summary>
    /// <param name="offset">Where the value starts in the pack.</param>
    /// <param name="part">Number of the part in the value.</param>
    /// <param name="length">Octets of the value in the pack.</param>
    /// <param name="plain">The part.</param>
    /// <param name="destination">Takes the encrypted octets and the tag.</param>
    public void Seal(long offset, int part, int length, ReadOnlySpan<byte> plain, Span<byte> destination)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        Span<byte> associated = stackalloc byte[_associated.Length];
        Address(offset, part, length, nonce, associated);
        var cipher = Take();
        cipher.Encrypt(nonce, plain, destination[..plain.Length], destination.Slice(plain.Length, TagLength), associated);
        _idle.Add(cipher);
    }

    /// <summary>Decrypts a part of a value in its place.</summary>
    /// <inheritdoc cref="Seal"/>
    /// <param name="offset"></param>
    /// <param name="part"></param>
    /// <param name="length"></param>
    /// <param name="contents">The encrypted octets and the tag.</param>
    /// <returns>The part; a part of <paramref name="contents"/>.</returns>
    public Span<byte> Open(long offset, int part, int length, Span<byte> contents)
    {
        Span<byte> nonce = stackalloc byte[NonceLength];
        Span<byte> associated = stackalloc byte[_associated.Length];
        Address(offset, part, length, nonce, associated);
        var octets = contents[..^TagLength];
        var cipher = Take();
        try
        {
            cipher.Decrypt(nonce, octets, contents[^TagLength..], octets, associated);
            return octets;
        }
        catch (AuthenticationTagMismatchException)
        {
            throw PackFormat.Damaged(offset, "the value does not open: it is damaged, or it was not written here with this key");
        }
        finally
        {
            _idle.Add(cipher);
        }
    }

    public void Dispose()
    {
        while (_idle.TryTake(out var cipher)) cipher.Dispose();
        CryptographicOperations.ZeroMemory(_key);
    }

    private AesGcm Take() => _idle.TryTake(out var cipher) ? cipher : new AesGcm(_key, TagLength);

    private void Address(long offset, int part, int length, Span<byte> nonce, Span<byte> associated)
    {
        BinaryPrimitives.WriteInt32BigEndian(nonce, part);
        BinaryPrimitives.WriteInt64BigEndian(nonce[sizeof(int)..], offset);
        _associated.CopyTo(associated);
        BinaryPrimitives.WriteInt64BigEndian(associated[^sizeof(long)..], length);
    }
}
