using System.Security.Cryptography;
using System.Text;

namespace Cutpoint.Nodes;

/// <summary>
/// What the nodes of one cluster know and nobody else: who knows it may stop guests and read their memory. It never crosses a wire; a node proves that it
/// knows it (<see cref="NodeLine"/>). Safe for concurrent use.
/// </summary>
public sealed class NodeSecret
{
    /// <summary>No secret is shorter: one that could be guessed could be found out from a single proof, at leisure.</summary>
    public const int MinLength = 32;

    private const int MaxLength = 4096;
    private readonly byte[] _key;

    /// <summary>Takes a secret.</summary>
    /// <param name="secret">At least <see cref="MinLength"/> octets.</param>
    public NodeSecret(ReadOnlySpan<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(secret.Length, MinLength);
        _key = secret.ToArray();
    }

    /// <summary>Reads the secret of a file: all of its text but the white space around it.</summary>
    /// <exception cref="SnapshotException">It cannot be read, others may read it, or it is too short (<see cref="ErrorCode.NotAuthorised"/>).</exception>
    public static NodeSecret Read(string path)
    {
        try
        {
            var mode = File.GetUnixFileMode(path);
            if ((mode & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
                throw Refused($"the secret file '{path}' is open to every user", $"chmod 0600 '{path}'");
            if (new FileInfo(path).Length > MaxLength) throw Refused($"the secret file '{path}' has more than {MaxLength} octets", Advice(path));
            var text = File.ReadAllText(path).Trim();
            return text.Length >= MinLength
                ? new NodeSecret(Encoding.UTF8.GetBytes(text))
                : throw Refused($"the secret in '{path}' has {text.Length} characters, at least {MinLength} are needed", Advice(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(ErrorCode.NotAuthorised, $"the secret file '{path}' cannot be read: {error.Message}", Advice(path), error) { IsPreflight = true };
        }
    }

    /// <summary>Proves to know the secret, in one role, for one connection.</summary>
    /// <param name="role">Who proves; so that a proof cannot be sent back to who made it.</param>
    /// <param name="connection">What no other connection has: the nonces of both ends, and the digest of the certificate the connecting end has seen.</param>
    internal byte[] Prove(string role, ReadOnlySpan<byte> connection)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _key);
        hmac.AppendData(Encoding.ASCII.GetBytes(role));
        hmac.AppendData([0]);
        hmac.AppendData(connection);
        return hmac.GetHashAndReset();
    }

    private static string Advice(string path) => $"make one for all nodes: (umask 077; openssl rand -hex 32 > '{path}')";

    private static SnapshotException Refused(string what, string advice) => new(ErrorCode.NotAuthorised, what, advice) { IsPreflight = true };
}
