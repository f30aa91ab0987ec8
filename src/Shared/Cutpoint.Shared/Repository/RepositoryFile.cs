using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>
/// The file <c>repository</c>: what a repository is for its life. Two lines: a JSON object, and the XXH3-128 of the first line in
/// hexadecimal.
/// </summary>
internal sealed partial record RepositoryFile
{
    public const string Name = "repository";
    public const int Version = 1;
    private const int MaxLength = 64 << 10;

    /// <summary>Names what the file is.</summary>
    public string Format { get; init; } = "cutpoint repository";

    /// <summary>Version of the directory's layout.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>The repository's name for programs.</summary>
    public required string Id { get; init; }

    /// <summary>The secret of the page hashes.</summary>
    public required byte[] HashSecret { get; init; }

    /// <summary><see cref="Id"/>, which was checked when the file was read.</summary>
    [JsonIgnore]
    public Ulid RepositoryId => Ulid.TryParse(Id, out var id) ? id : default;

    public static RepositoryFile Create(TimeProvider time) => new()
    {
        FormatVersion = Version,
        Id = Ulid.Create(time).ToString(),
        HashSecret = RandomNumberGenerator.GetBytes(PageHasher.SecretLength),
    };

    public byte[] Write()
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(this, Json.Default.RepositoryFile);
        return [.. line, (byte)'\n', .. Encoding.ASCII.GetBytes($"{Xxh3.Hash(line):x32}\n")];
    }

    public static RepositoryFile Read(string directory)
    {
        var path = Path.Combine(directory, Name);
        byte[] octets;
        try
        {
            if (new FileInfo(path).Length > MaxLength) throw Damaged(path, "it is too long");
            octets = File.ReadAllBytes(path);
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
        return Parse(path, octets);
    }

    private static RepositoryFile Parse(string path, byte[] octets)
    {
        var end = Array.IndexOf(octets, (byte)'\n');
        if (end < 0) throw Damaged(path, "it is cut short");
        var line = octets.AsSpan(0, end);
        if (Encoding.ASCII.GetString(octets.AsSpan(end + 1)) != $"{Xxh3.Hash(line):x32}\n")
            throw Damaged(path, "its checksum does not hold");
        RepositoryFile? file;
        try
        {
            file = JsonSerializer.Deserialize(line, Json.Default.RepositoryFile);
        }
        catch (JsonException error)
        {
            throw Damaged(path, error.Message);
        }
        if (file is null || file.HashSecret.Length != PageHasher.SecretLength || !Ulid.TryParse(file.Id, out _))
            throw Damaged(path, "a field is wrong");
        if (file.FormatVersion > Version)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"{path}: the repository has version {file.FormatVersion}, this program knows {Version}",
                "use a newer version of Cutpoint");
        }
        return file;
    }

    private static SnapshotException Damaged(string path, string reason) =>
        new(
            ErrorCode.VerificationFailed, $"{path} is damaged: {reason}",
            "put the file back from a copy: it holds the repository's secret and cannot be rebuilt");

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(RepositoryFile))]
    private sealed partial class Json : JsonSerializerContext;
}
