using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Cutpoint.Repository;

/// <summary>
/// Where the secret lies that opens an encrypted repository. It is read when a repository is opened that needs it, and not before. Safe for concurrent use.
/// </summary>
public sealed class RepositoryKey
{
    /// <summary>The least octets of a key file: as many as the data key has, since nothing slows down who tries them all.</summary>
    public const int MinFileLength = 32;

    private const int MaxLength = 64 << 10;
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(2);

    private readonly Func<byte[]> _read;

    private RepositoryKey(KeyKind kind, string name, Func<byte[]> read)
    {
        Kind = kind;
        Name = name;
        _read = read;
    }

    /// <summary>What kind of secret it is; a slot of the repository is opened by one of its own kind only.</summary>
    public KeyKind Kind { get; }

    /// <summary>What a person calls it in a message; without the secret.</summary>
    public string Name { get; }

    /// <summary>A file of random octets.</summary>
    /// <param name="path">The file; at least <see cref="MinFileLength"/> octets.</param>
    public static RepositoryKey FromFile(string path) => new(KeyKind.File, $"the key file {path}", () => CheckFile(ReadFile(path), path));

    /// <summary>A file of random octets that is made when it is not there and is needed.</summary>
    /// <param name="path">The file; at least <see cref="MinFileLength"/> octets.</param>
    public static RepositoryKey FromNewFile(string path) => new(KeyKind.File, $"the key file {path}", () =>
    {
        if (!File.Exists(path)) CreateFile(path);
        return CheckFile(ReadFile(path), path);
    });

    /// <summary>A file with a passphrase. A line's end behind it is not part of it.</summary>
    public static RepositoryKey FromPassphraseFile(string path) => new(KeyKind.Passphrase, $"the passphrase in {path}", () => TrimLine(ReadFile(path), path));

    /// <summary>A command of the shell that prints a passphrase, for programs that keep secrets. A line's end behind it is not part of it.</summary>
    public static RepositoryKey FromCommand(string command) =>
        new(KeyKind.Passphrase, $"what '{command}' prints", () => TrimLine(Run(command), $"the output of '{command}'"));

    /// <summary>Makes a key file that only its owner can read. It must not exist.</summary>
    /// <exception cref="SnapshotException">It cannot be created.</exception>
    public static void CreateFile(string path)
    {
        var secret = Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(MinFileLength)) + "\n");
        try
        {
            using var file = PosixFile.Create(path);
            file.Write(secret);
            file.Flush(flushToDisk: true);
            PosixFile.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw new SnapshotException(ErrorCode.Usage, $"the key file {path} cannot be created: {error.Message}", "name another place", error) { IsPreflight = true };
        }
    }

    /// <summary>Reads the secret.</summary>
    /// <exception cref="SnapshotException">It is not there, or is none (<see cref="ErrorCode.NotAuthorised"/>).</exception>
    internal byte[] Read() => _read();

    private static byte[] ReadFile(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return ReadAll(file, path);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw Wrong($"{path} cannot be read: {error.Message}", "name the file that holds the key", error);
        }
    }

    private static byte[] Run(string command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            byte[] secret;
            using (var limit = new CancellationTokenSource(CommandLimit))
            using (limit.Token.Register(() => process.Kill(entireProcessTree: true)))
            {
                secret = ReadAll(process.StandardOutput.BaseStream, $"the output of '{command}'");
                process.WaitForExit();
            }
            return process.ExitCode == 0 ? secret : throw Wrong($"'{command}' ended with {process.ExitCode}", "run it by hand to see why");
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw Wrong($"'{command}' cannot be run: {error.Message}", "run it by hand to see why", error);
        }
    }

    private static byte[] ReadAll(Stream stream, string name)
    {
        // A pipe has no length, and nobody's key is longer.
        var buffer = new byte[MaxLength + 1];
        var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return length <= MaxLength ? buffer[..length] : throw Wrong($"{name} is longer than {MaxLength} octets", "name the file or command that gives the key");
    }

    private static byte[] CheckFile(byte[] secret, string path) => secret.Length >= MinFileLength
        ? secret
        : throw Wrong(
            $"{path} has {secret.Length} octets, a key file has at least {MinFileLength}", $"make one with 'openssl rand -out {path} 32', or use --passphrase-file");

    private static byte[] TrimLine(byte[] secret, string name)
    {
        var length = secret.Length;
        if (length > 0 && secret[length - 1] == '\n') length--;
        if (length > 0 && secret[length - 1] == '\r') length--;
        return length > 0 ? secret[..length] : throw Wrong($"{name} is empty", "give a passphrase");
    }

    private static SnapshotException Wrong(string message, string advice, Exception? inner = null) =>
        new(ErrorCode.NotAuthorised, message, advice, inner) { IsPreflight = true };
}
