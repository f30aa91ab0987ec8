using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>
/// The file <c>repository</c>: what a repository is for its life. Lines: <c>cutpoint repository VERSION</c>, <c>id ULID</c>,
/// <c>secret BASE64</c>, and <c>xxh3</c> with the XXH3-128 of the lines before in hexadecimal. Version 2 is that of encrypted ones: in place of the secret, which
/// follows from the data key, it has a line for each <see cref="KeySlot"/>, and <c>mac</c> with the HMAC-SHA-256 of the lines before. Every start of the program
/// reads it, so it is simpler than JSON. Versions 3 and 4 are those of repositories whose catalog is in PostgreSQL: they are versions 1 and 2 with the line <c>catalog postgresql</c>.
/// </summary>
/// <param name="RepositoryId">The repository.</param>
/// <param name="HashSecret">The secret of the page hashes; none when the repository is encrypted.</param>
/// <param name="Keys">The secrets that open it; none when it is not encrypted.</param>
/// <param name="IsInDatabase">True when the catalog is in PostgreSQL.</param>
internal sealed record RepositoryFile(Ulid RepositoryId, byte[]? HashSecret, IReadOnlyList<KeySlot> Keys, bool IsInDatabase = false)
{
    public const string Name = "repository";

    private const int PlainVersion = 1;
    private const int SealedVersion = 2;
    private const int DatabaseVersion = 3;
    private const int SealedDatabaseVersion = 4;
    private const string FirstWords = "cutpoint repository ";
    private const string MacWord = "mac ";
    private const string DatabaseLine = "catalog postgresql";
    private const string LastWord = "xxh3 ";
    private const int MaxLength = 16384;
    private const int MaxKeys = 32;

    public bool IsSealed => HashSecret is null;

    /// <summary>What the file says in front of its code, and the code; empty in a repository that is not encrypted.</summary>
    private (string Lines, byte[] Code) Signed { get; init; } = ("", []);

    public static RepositoryFile Create(TimeProvider time, bool isInDatabase) =>
        new(Ulid.Create(time), RandomNumberGenerator.GetBytes(PageHasher.SecretLength), [], isInDatabase);

    public static RepositoryFile CreateSealed(TimeProvider time, bool isInDatabase, string name, RepositoryKey key, out DataKey dataKey)
    {
        var id = Ulid.Create(time);
        dataKey = DataKey.Create(id);
        return new RepositoryFile(id, null, [KeySlot.Create(id, name, key, dataKey)], isInDatabase);
    }

    /// <summary>Refuses a location that names a database where the directory has the catalog, or none where it has not.</summary>
    /// <exception cref="SnapshotException">It does (<see cref="ErrorCode.Usage"/>).</exception>
    public void CheckKind(RepositoryLocation location)
    {
        if (IsInDatabase == location.Database is not null) return;
        throw IsInDatabase
            ? new SnapshotException(
                ErrorCode.Usage, $"the catalog of the repository {location.Directory} is in PostgreSQL", $"name it as postgres://USER@HOST/DATABASE?packs={location.Directory}") { IsPreflight = true }
            : new SnapshotException(
                ErrorCode.Usage, $"the repository {location.Directory} has its catalog in itself, not in PostgreSQL", $"name it as {location.Directory}") { IsPreflight = true };
    }

    /// <summary>The data key of an encrypted repository, null for another one.</summary>
    /// <exception cref="SnapshotException">The key is missing, wrong, or of no use here (<see cref="ErrorCode.NotAuthorised"/>), or somebody without it has changed the file
    /// (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public DataKey? Unlock(RepositoryLocation location) => Unlock(location, out _);

    /// <summary>The same, with the secret that opens it: what gives it may ask a person, and is asked once.</summary>
    public DataKey? Unlock(RepositoryLocation location, out byte[] secret)
    {
        secret = [];
        if (!IsSealed)
        {
            // Whoever has a key counts on encryption: a repository that was put in the place of theirs must not get their guests in the clear.
            return location.Key is null ? null : throw Refused($"the repository {location} is not encrypted, but a key was given", "leave the key out if it need not be");
        }
        if (location.Key is not { } key)
            throw Refused($"the repository {location} is encrypted and no key was given", "give --key-file, --passphrase-file or --key-command");
        secret = key.Read();
        foreach (var slot in Keys.Where(slot => slot.Kind == key.Kind))
        {
            if (slot.Open(RepositoryId, secret) is not { } dataKey) continue;
            if (!CryptographicOperations.FixedTimeEquals(Code(dataKey, Signed.Lines), Signed.Code))
                throw Damaged(Path.Combine(location.Directory, Name), "somebody without the key has changed it");
            return dataKey;
        }
        throw Refused($"the repository {location} is not opened by {key.Name}", "give the key it was made with; 'cutpoint key ls' names those it knows");
    }

    public byte[] Write(DataKey? key)
    {
        var place = IsInDatabase ? DatabaseLine + "\n" : "";
        var lines = key is null
            ? $"{FirstWords}{(IsInDatabase ? DatabaseVersion : PlainVersion)}\nid {RepositoryId}\nsecret {Convert.ToBase64String(HashSecret!)}\n{place}"
            : $"{FirstWords}{(IsInDatabase ? SealedDatabaseVersion : SealedVersion)}\nid {RepositoryId}\n{place}{string.Concat(Keys.Select(slot => slot.Write() + "\n"))}";
        if (key is not null) lines += $"{MacWord}{Convert.ToHexStringLower(Code(key, lines))}\n";
        return Encoding.ASCII.GetBytes($"{lines}{LastWord}{Checksum(lines)}\n");
    }

    /// <summary>The same repository with other keys.</summary>
    public RepositoryFile With(IReadOnlyList<KeySlot> keys) => keys.Count <= MaxKeys
        ? this with { Keys = keys }
        : throw new SnapshotException(ErrorCode.Usage, $"a repository has at most {MaxKeys} keys", "remove one with 'cutpoint key remove'") { IsPreflight = true };

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
        if (version > SealedDatabaseVersion)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"{path}: the repository has version {version}, this program knows {SealedDatabaseVersion}",
                "use a newer version of Cutpoint");
        }
        if (version is SealedVersion or SealedDatabaseVersion) return ParseSealed(path, text[..last], lines, version == SealedDatabaseVersion);
        var secret = new byte[PageHasher.SecretLength];
        var isInDatabase = version == DatabaseVersion;
        if (lines.Length != (isInDatabase ? 5 : 4) || (isInDatabase && lines[3] != DatabaseLine) || !Ulid.TryParse(Value(lines[1], "id "), out var id)
            || !Convert.TryFromBase64Chars(Value(lines[2], "secret "), secret, out var length) || length != secret.Length)
        {
            throw Damaged(path, "a field is wrong");
        }
        return new RepositoryFile(id, secret, [], isInDatabase);
    }

    private static RepositoryFile ParseSealed(string path, string text, string[] lines, bool isInDatabase)
    {
        var first = isInDatabase ? 3 : 2;
        var count = lines.Length - first - 2;
        if (count is < 1 or > MaxKeys || (isInDatabase && lines[2] != DatabaseLine)) throw Damaged(path, "a field is wrong");
        var slots = Array.ConvertAll(lines[first..^2], KeySlot.Parse);
        var code = Value(lines[^2], MacWord);
        if (slots.Contains(null) || !Ulid.TryParse(Value(lines[1], "id "), out var id)
            || code.Length != 2 * HMACSHA256.HashSizeInBytes || code.ContainsAnyExcept(HexDigits))
        {
            throw Damaged(path, "a field is wrong");
        }
        return new RepositoryFile(id, null, slots!, isInDatabase) { Signed = (text[..text.LastIndexOf(MacWord, StringComparison.Ordinal)], Convert.FromHexString(code)) };
    }

    private static readonly System.Buffers.SearchValues<char> HexDigits = System.Buffers.SearchValues.Create("0123456789abcdef");

    private static byte[] Code(DataKey key, string lines) => HMACSHA256.HashData(key.Derive("repository file"), Encoding.Latin1.GetBytes(lines));

    private static SnapshotException Refused(string message, string advice) => new(ErrorCode.NotAuthorised, message, advice) { IsPreflight = true };

    private static ReadOnlySpan<char> Value(string line, string word) =>
        line.StartsWith(word, StringComparison.Ordinal) ? line.AsSpan(word.Length) : [];

    private static string Checksum(string lines) => Xxh3.Hash(Encoding.Latin1.GetBytes(lines)).ToString("x32", CultureInfo.InvariantCulture);

    private static SnapshotException Damaged(string path, string reason) =>
        new(
            ErrorCode.VerificationFailed, $"{path} is damaged: {reason}",
            "put the file back from a copy: it holds the repository's secret and cannot be rebuilt");
}
