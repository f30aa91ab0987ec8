using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Creates a repository.</summary>
internal static class InitCommand
{
    public static Command Create()
    {
        var encrypt = Setting.CreateSwitch("init", "encrypt", "Encrypt everything, for the repository's life; a key file that is not there is made");
        var command = new Verb(
            "init", "Create a repository",
            "cutpoint init --repository /srv/checkpoints\ncutpoint init --repository /srv/checkpoints --encrypt --key-file /etc/cutpoint/key") { encrypt };
        command.SetAction(async (parsed, cancellation) =>
        {
            var location = RepositoryAccess.Location(parsed);
            var isNew = Choose(location, parsed.GetValue(encrypt), parsed.GetValue(CommonOptions.KeyFile));
            await using var repository = await DirectoryRepository.InitAsync(location, TimeProvider.System, cancellation);
            // The journal's tables too, so that no guest's take waits for them.
            await using (await JobDatabase.OpenAsync(repository, TimeProvider.System, cancellation))
            {
            }
            var result = new InitResult(repository.Id.ToString(), repository.Directory, repository.IsEncrypted);
            if (parsed.GetValue(CommonOptions.Json))
            {
                JsonOutput.Write(result, JsonOutput.Types.InitResult);
                return;
            }
            if (isNew) Console.Out.WriteLine($"made the key file {parsed.GetValue(CommonOptions.KeyFile)}");
            Console.Out.WriteLine($"created {(result.Encrypted ? "encrypted " : "")}repository {location}");
            if (result.Encrypted) Console.Error.WriteLine("Keep a copy of the key elsewhere: who loses it loses every checkpoint, and nobody can help. 'cutpoint key add' adds another.");
        });
        return command;
    }

    /// <summary>Encryption and key go together: neither alone says what is wanted. True when a key file was made.</summary>
    private static bool Choose(RepositoryLocation location, bool encrypt, string? keyFile)
    {
        if (location.Key is null)
        {
            return encrypt
                ? throw new SnapshotException(ErrorCode.Usage, "--encrypt needs a key", "give --key-file, --passphrase-file or --key-command") { IsPreflight = true }
                : false;
        }
        if (!encrypt)
            throw new SnapshotException(ErrorCode.Usage, "a key was given, but not --encrypt", "give both for an encrypted repository, neither for another") { IsPreflight = true };
        if (location.Key.Kind != KeyKind.File || File.Exists(keyFile)) return false;
        RepositoryKey.CreateFile(keyFile!);
        return true;
    }
}

/// <summary>What init prints.</summary>
/// <param name="Id">The repository's name for programs.</param>
/// <param name="Directory">Where it is.</param>
/// <param name="Encrypted">True when nobody without the key can read it.</param>
internal sealed record InitResult(string Id, string Directory, bool Encrypted);
