using System.CommandLine;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli;

/// <summary>Options of every verb.</summary>
internal static class CommonOptions
{
    /// <summary>The repository of users who name none.</summary>
    public static string DefaultRepository { get; } = Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "cutpoint");

    /// <summary>The repository.</summary>
    public static Option<RepositoryLocation> Repository { get; } = Recursive(Setting.Create(
        null, "repository", "Directory of the repository, or postgres://HOST/DATABASE?packs=DIR", RepositoryLocation.Parse, "DIR", DefaultRepository));

    /// <summary>A key of an encrypted repository.</summary>
    public static Option<string?> KeyFile { get; } = Recursive(Setting.Create<string?>(
        null, "key-file", "File that opens an encrypted repository", Value.Text, "FILE"));

    /// <summary>A passphrase of an encrypted repository.</summary>
    public static Option<string?> PassphraseFile { get; } = Recursive(Setting.Create<string?>(
        null, "passphrase-file", "File with the passphrase of an encrypted repository", Value.Text, "FILE"));

    /// <summary>A command that gives a passphrase of an encrypted repository.</summary>
    public static Option<string?> KeyCommand { get; } = Recursive(Setting.Create<string?>(
        null, "key-command", "Command that prints the passphrase of an encrypted repository", Value.Text, "COMMAND"));

    /// <summary>Results for programs.</summary>
    public static Option<bool> Json { get; } =
        Recursive(Setting.CreateSwitch(null, "json", "Print one JSON object instead of tables; progress as JSON lines"));

    /// <summary>The secret of the nodes of a cluster; read when it is needed.</summary>
    public static Option<string?> SecretFile { get; } =
        Setting.Create<string?>(null, "secret-file", "File with the secret of the cluster's nodes; needed for guests of other nodes", Value.Text, "FILE");

    /// <summary>The database of the registry of nodes.</summary>
    public static Option<string?> Database { get; } = Setting.Create<string?>(
        null, "database", "PostgreSQL database of the registry of nodes, such as postgres://user@host/cutpoint [default: that of the repository, where it has one]",
        DatabaseUrl.Parse, "URL");

    /// <summary>The checkpoint a verb is about.</summary>
    public static Argument<string> Checkpoint(string description = "Id or its beginning, name, or 'latest'") => Setting.Argument("ID", description, Value.Text);

    private static T Recursive<T>(T option)
        where T : Option
    {
        option.Recursive = true;
        return option;
    }
}
