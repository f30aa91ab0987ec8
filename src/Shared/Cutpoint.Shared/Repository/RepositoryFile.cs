using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>
/// The file <c>repository</c>: what a repository is for its life. Four lines: <c>cutpoint repository VERSION</c>, <c>id ULID</c>,
/// <c>secret BASE64</c>, and <c>xxh3</c> with the XXH3-128 of the lines before in hexadecimal. Every start of the program reads it, so it is
/// simpler than JSON.
/// </summary>
internal sealed record RepositoryFile(Ulid RepositoryId, byte[] HashSecret)
{
    public const string Name = "repository";
    public const int Version = 1;

    private const string FirstWords = "cutpoint repository ";
    private const string LastWord = "xxh3 ";
    private const int MaxLength = 4096;

    public static RepositoryFile Create(TimeProvider time) =>
        new(Ulid.Create(time), RandomNumberGenerator.GetBytes(PageHasher.SecretLength));

    public byte[] Write()
    {
        var lines = $"{FirstWords}{Version}\nid {RepositoryId}\nsecret {Convert.ToBase64String(HashSecret)}\n";
        return Encoding.ASCII.GetBytes($"{lines}{LastWord}{Checksum(lines)}\n");
    }

    public static RepositoryFile Read(string directory)
    {
        var path = Path.Combine(directory, Name);
        try
        {
            if (new FileInfo(path).Length > MaxLength) throw Damaged(path, "it is too long");
            return Parse(path, File.ReadAllText(path, Encoding.Latin1));
        }
        catch (Exception error) when (error is DirectoryNotFoundException or FileNotFoundException)
        {
            throw new SnapshotException(
                ErrorCode.NotFound, $"there is no repository in {directory}", $"create one with 'cutpoint init --repository {directory}'",
                error)
            {
                IsPreflight = true,
            };
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "read");
        }
    }

    private static RepositoryFile Parse(string path, string text)
    {
        var last = text.LastIndexOf(LastWord, StringComparison.Ordinal);
        if (last < 0 || text[(last + LastWord.Length)..] != Checksum(text[..last]) + "\n") throw Damaged(path, "its checksum does not hold");
        var lines = text[..last].Split('\n');
        if (!lines[0].StartsWith(FirstWords, StringComparison.Ordinal)
            || !int.TryParse(lines[0].AsSpan(FirstWords.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            throw Damaged(path, "its first line is not that of a repository");
        }
        if (version > Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"{path}: the repository has version {version}, this program knows {Version}",
                "use a newer version of Cutpoint");
        }
        var secret = new byte[PageHasher.SecretLength];
        if (lines.Length != 4 || !Ulid.TryParse(Value(lines[1], "id "), out var id)
            || !Convert.TryFromBase64Chars(Value(lines[2], "secret "), secret, out var length) || length != secret.Length)
        {
            throw Damaged(path, "a field is wrong");
        }
        return new RepositoryFile(id, secret);
    }

    private static ReadOnlySpan<char> Value(string line, string word) =>
        line.StartsWith(word, StringComparison.Ordinal) ? line.AsSpan(word.Length) : [];

    private static string Checksum(string lines) => Xxh3.Hash(Encoding.Latin1.GetBytes(lines)).ToString("x32", CultureInfo.InvariantCulture);

    private static SnapshotException Damaged(string path, string reason) =>
        new(
            ErrorCode.VerificationFailed, $"{path} is damaged: {reason}",
            "put the file back from a copy: it holds the repository's secret and cannot be rebuilt");
}
