using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Cutpoint.Repository;

/// <summary>
/// The data key of a repository, sealed with one secret. The key it is sealed with is derived under a salt of its own, and seals one message in its life, so
/// its nonce is zero.
/// </summary>
/// <param name="Name">What its owner calls it.</param>
/// <param name="Kind">What kind of secret opens it.</param>
/// <param name="Iterations">Rounds of PBKDF2 for a passphrase; 0 for a key file.</param>
/// <param name="Salt">32 random octets.</param>
/// <param name="Sealed">The data key, encrypted, and the tag.</param>
internal sealed partial record KeySlot(string Name, KeyKind Kind, int Iterations, byte[] Salt, byte[] Sealed)
{
    /// <summary>About half a second of one core; more than twice what OWASP asked for in 2023 (210,000 of PBKDF2-HMAC-SHA-512).</summary>
    public const int DefaultIterations = 600_000;

    /// <summary>More would only hold up who opens a file somebody else has written.</summary>
    private const int MaxIterations = 10_000_000;

    private const int SaltLength = 32;
    private const int TagLength = 16;

    /// <summary>Seals a data key.</summary>
    public static KeySlot Create(Ulid repository, string name, RepositoryKey key, DataKey dataKey)
    {
        CheckName(name);
        var open = new KeySlot(name, key.Kind, key.Kind == KeyKind.Passphrase ? DefaultIterations : 0, RandomNumberGenerator.GetBytes(SaltLength), []);
        using var cipher = open.Cipher(key.Read());
        var wrapped = new byte[DataKey.Length + TagLength];
        cipher.Encrypt(
            stackalloc byte[AesGcm.NonceByteSizes.MaxSize], dataKey.Octets, wrapped.AsSpan(0, DataKey.Length), wrapped.AsSpan(DataKey.Length), open.Associated(repository));
        return open with { Sealed = wrapped };
    }

    /// <summary>The data key, or null when the secret is not the one it was sealed with.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="secret">A secret of the slot's kind.</param>
    public DataKey? Open(Ulid repository, byte[] secret)
    {
        using var cipher = Cipher(secret);
        var octets = new byte[DataKey.Length];
        try
        {
            cipher.Decrypt(
                stackalloc byte[AesGcm.NonceByteSizes.MaxSize], Sealed.AsSpan(0, DataKey.Length), Sealed.AsSpan(DataKey.Length), octets, Associated(repository));
            return new DataKey(repository, octets);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    /// <summary>The line of the repository's file.</summary>
    public string Write() => $"{Describe()} {Convert.ToBase64String(Sealed)}";

    /// <summary>Reads a line; null when it is none.</summary>
    public static KeySlot? Parse(string line)
    {
        var words = line.Split(' ');
        if (words.Length != 6 || words[0] != "key" || !NamePattern().IsMatch(words[1])) return null;
        KeyKind? kind = words[2] switch { "file" => KeyKind.File, "passphrase" => KeyKind.Passphrase, _ => null };
        var salt = new byte[SaltLength];
        var wrapped = new byte[DataKey.Length + TagLength];
        return kind is { } known
            && int.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) && iterations <= MaxIterations
            && (iterations == 0) == (known == KeyKind.File)
            && Convert.TryFromBase64String(words[4], salt, out var saltLength) && saltLength == SaltLength
            && Convert.TryFromBase64String(words[5], wrapped, out var length) && length == wrapped.Length
                ? new KeySlot(words[1], known, iterations, salt, wrapped)
                : null;
    }

    /// <summary>A name that fits into the file.</summary>
    /// <exception cref="SnapshotException">It does not (<see cref="ErrorCode.Usage"/>).</exception>
    public static void CheckName(string name)
    {
        if (!NamePattern().IsMatch(name))
            throw new SnapshotException(ErrorCode.Usage, $"'{name}' is no name of a key", "use 1 to 64 letters, digits, '.', '_' or '-'") { IsPreflight = true };
    }

    private string Describe() => string.Create(
        CultureInfo.InvariantCulture, $"key {Name} {(Kind == KeyKind.File ? "file" : "passphrase")} {Iterations} {Convert.ToBase64String(Salt)}");

    private byte[] Associated(Ulid repository) => Encoding.ASCII.GetBytes($"cutpoint repository {repository} {Describe()}");

    private AesGcm Cipher(byte[] secret)
    {
        var key = Kind == KeyKind.File
            ? HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, DataKey.Length, Salt, "cutpoint key file"u8.ToArray())
            : Rfc2898DeriveBytes.Pbkdf2(secret, Salt, Iterations, HashAlgorithmName.SHA512, DataKey.Length);
        try
        {
            return new AesGcm(key, TagLength);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}
