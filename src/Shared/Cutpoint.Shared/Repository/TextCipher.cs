using System.Security.Cryptography;
using System.Text;

namespace Cutpoint.Repository;

/// <summary>Encrypts texts that are kept in a database, each with a random nonce, bound to the place it is kept in. Safe for concurrent use.</summary>
public sealed class TextCipher
{
    private const int NonceLength = 12;
    private const int TagLength = 16;

    private readonly byte[] _key;

    internal TextCipher(byte[] key) => _key = key;

    /// <summary>Encrypts a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="place">Where it is kept; it opens there only.</param>
    public string Seal(string text, string place)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(place);
        var plain = Encoding.UTF8.GetBytes(text);
        var octets = new byte[NonceLength + plain.Length + TagLength];
        RandomNumberGenerator.Fill(octets.AsSpan(0, NonceLength));
        using var cipher = new AesGcm(_key, TagLength);
        cipher.Encrypt(
            octets.AsSpan(0, NonceLength), plain, octets.AsSpan(NonceLength, plain.Length), octets.AsSpan(octets.Length - TagLength), Encoding.UTF8.GetBytes(place));
        return Convert.ToBase64String(octets);
    }

    /// <summary>Decrypts a text.</summary>
    /// <param name="sealed">The encrypted text.</param>
    /// <param name="place">Where it was kept.</param>
    /// <exception cref="SnapshotException">It was damaged, moved, or written without the key (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public string Open(string @sealed, string place)
    {
        ArgumentNullException.ThrowIfNull(@sealed);
        ArgumentNullException.ThrowIfNull(place);
        var octets = new byte[@sealed.Length];
        if (!Convert.TryFromBase64String(@sealed, octets, out var length) || length < NonceLength + TagLength) throw Wrong(place);
        var plain = new byte[length - NonceLength - TagLength];
        try
        {
            using var cipher = new AesGcm(_key, TagLength);
            cipher.Decrypt(
                octets.AsSpan(0, NonceLength), octets.AsSpan(NonceLength, plain.Length), octets.AsSpan(length - TagLength, TagLength), plain, Encoding.UTF8.GetBytes(place));
            return Encoding.UTF8.GetString(plain);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw Wrong(place);
        }
    }

    private static SnapshotException Wrong(string place) =>
        new(ErrorCode.VerificationFailed, $"{place} does not open: it is damaged, or was not written with the repository's key", "put its file back from a copy");
}
