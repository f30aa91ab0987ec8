using System.CommandLine;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli;

/// <summary>The three ways to give a new key.</summary>
/// <param name="section">The verb's section in the configuration file.</param>
internal sealed class NewKeyOptions(string section)
{
    public Option<string?> File { get; } = Setting.Create<string?>(section, "new-key-file", "The new key: a file, made when it is not there", Value.Text, "FILE");

    public Option<string?> PassphraseFile { get; } = Setting.Create<string?>(section, "new-passphrase-file", "The new key: a file with a passphrase", Value.Text, "FILE");

    public Option<string?> Command { get; } = Setting.Create<string?>(section, "new-key-command", "The new key: a command that prints a passphrase", Value.Text, "COMMAND");

    /// <summary>The new key; its file is made, when it is not there, once the repository has been opened by the old one.</summary>
    /// <exception cref="SnapshotException">None was given, or several (<see cref="ErrorCode.Usage"/>).</exception>
    public RepositoryKey Read(ParseResult parsed) => KeyOptions.Read(parsed, File, PassphraseFile, Command, RepositoryKey.FromNewFile) ?? throw new SnapshotException(
        ErrorCode.Usage, "no new key was given", "give --new-key-file, --new-passphrase-file or --new-key-command") { IsPreflight = true };
}
