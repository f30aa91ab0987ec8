using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>
/// Encrypts the records of a catalog: <c>nonce (12), encrypted octets, tag (16)</c>. The nonce is random, since a record that was not kept may be followed by another one of its
/// number under the same key; a key sees no more records than there are transactions until the next image. One caller at a time.
/// </summary>
/// <param name="key">The key, of this series of records alone.</param>
internal sealed class RecordCipher(byte[] key) : IDisposable
{
    /// <summary>Octets of a record besides those that are encrypted.</summary>
    public const int Overhead = NonceLength + TagLength;

    /// <summary>Octets of the tag, at the end of a record.</summary>
    public const int TagLength = 16;

    private const int NonceLength = 12;

    private readonly AesGcm _cipher = new(key, TagLength);

    /// <summary>Encrypts a record.</summary>
    /// <param name="plain">What it says.</param>
    /// <param name="associated">What it is bound to.</param>
    /// <param name="record">The record; longer by <see cref="Overhead"/>.</param>
    public void Seal(ReadOnlySpan<byte> plain, ReadOnlySpan<byte> associated, Span<byte> record)
    {
        var nonce = record[..NonceLength];
        RandomNumberGenerator.Fill(nonce);
        _cipher.Encrypt(nonce, plain, record.Slice(NonceLength, plain.Length), record[^TagLength..], associated);
    }

    /// <summary>What a record says; null when it was not made with the key, is damaged, or bound to something else.</summary>
    public byte[]? Open(ReadOnlySpan<byte> record, ReadOnlySpan<byte> associated)
    {
        if (record.Length < Overhead) return null;
        var plain = new byte[record.Length - Overhead];
        try
        {
            _cipher.Decrypt(record[..NonceLength], record[NonceLength..^TagLength], record[^TagLength..], plain, associated);
            return plain;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    public void Dispose() => _cipher.Dispose();
}
