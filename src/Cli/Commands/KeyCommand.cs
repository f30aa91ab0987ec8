using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Adds and removes what opens an encrypted repository.</summary>
internal static class KeyCommand
{
    public static Command Create() => new Verb(
        "key", "Add, remove and list the keys of an encrypted repository",
        "cutpoint key ls\ncutpoint key add spare --key-file old --new-key-file new\ncutpoint key remove first --key-file new")
    {
        CreateList(), CreateAdd(), CreateRemove(),
    };

    private static Verb CreateList()
    {
        var command = new Verb("ls", "List the keys; needs none", "cutpoint key ls --json");
        command.SetAction(parsed =>
        {
            var keys = DirectoryRepository.ListKeys(RepositoryAccess.Location(parsed));
            if (parsed.GetValue(CommonOptions.Json))
            {
                JsonOutput.Write(new KeysResult([.. keys.Select(key => new ListedKey(key.Name, Text(key.Kind)))]), JsonOutput.Types.KeysResult);
                return;
            }
            var table = new Table("NAME", "KIND");
            foreach (var (name, kind) in keys) table.Add(name, Text(kind));
            table.Write(Console.Out);
        });
        return command;
    }

    private static Verb CreateAdd()
    {
        var name = Setting.Argument("NAME", "What the new key is called", Value.Text);
        var file = Setting.Create<string?>("key-add", "new-key-file", "The new key: a file, made when it is not there", Value.Text, "FILE");
        var passphraseFile = Setting.Create<string?>("key-add", "new-passphrase-file", "The new key: a file with a passphrase", Value.Text, "FILE");
        var keyCommand = Setting.Create<string?>("key-add", "new-key-command", "The new key: a command that prints a passphrase", Value.Text, "COMMAND");
        var command = new Verb("add", "Let another key open the repository", "cutpoint key add spare --key-file old --new-key-file new") { name, file, passphraseFile, keyCommand };
        command.SetAction(parsed =>
        {
            var key = KeyOptions.Read(parsed, file, passphraseFile, keyCommand) ?? throw new SnapshotException(
                ErrorCode.Usage, "no new key was given", "give --new-key-file, --new-passphrase-file or --new-key-command") { IsPreflight = true };
            var location = RepositoryAccess.Location(parsed);
            if (parsed.GetValue(file) is { } path && key.Kind == KeyKind.File && !File.Exists(path)) RepositoryKey.CreateFile(path);
            DirectoryRepository.AddKey(location, parsed.GetValue(name)!, key, TimeProvider.System);
            Tell(parsed, location, $"key '{parsed.GetValue(name)}' opens {location}");
        });
        return command;
    }

    private static Verb CreateRemove()
    {
        var name = Setting.Argument("NAME", "What the key is called", Value.Text);
        var command = new Verb("remove", "Let a key no longer open the repository", "cutpoint key remove first --key-file new") { name };
        command.SetAction(parsed =>
        {
            var location = RepositoryAccess.Location(parsed);
            DirectoryRepository.RemoveKey(location, parsed.GetValue(name)!, TimeProvider.System);
            Tell(parsed, location, $"key '{parsed.GetValue(name)}' no longer opens {location}; whoever copied the repository's file before can open that copy still");
        });
        return command;
    }

    private static void Tell(ParseResult parsed, RepositoryLocation location, string text)
    {
        if (parsed.GetValue(CommonOptions.Json))
        {
            var keys = DirectoryRepository.ListKeys(location);
            JsonOutput.Write(new KeysResult([.. keys.Select(key => new ListedKey(key.Name, Text(key.Kind)))]), JsonOutput.Types.KeysResult);
        }
        else
        {
            Console.Out.WriteLine(text);
        }
    }

    private static string Text(KeyKind kind) => kind == KeyKind.File ? "key file" : "passphrase";
}

/// <summary>What the verbs of keys print.</summary>
internal sealed record KeysResult(IReadOnlyList<ListedKey> Keys);

/// <summary>A key in a list.</summary>
internal sealed record ListedKey(string Name, string Kind);
