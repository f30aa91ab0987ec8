using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Adds, replaces and removes what opens an encrypted repository.</summary>
internal static class KeyCommand
{
    public static Command Create() => new Verb(
        "key", "Add, replace, remove and list the keys of an encrypted repository",
        "cutpoint key ls\ncutpoint key add spare --key-file old --new-key-file new\ncutpoint key rotate --key-file old --new-key-file new\ncutpoint key remove first --key-file new")
    {
        CreateList(), CreateAdd(), CreateRotate(), CreateRemove(),
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
        var key = new NewKeyOptions("key-add");
        var command = new Verb("add", "Let another key open the repository", "cutpoint key add spare --key-file old --new-key-file new") { name, key.File, key.PassphraseFile, key.Command };
        command.SetAction(parsed =>
        {
            var location = RepositoryAccess.Location(parsed);
            DirectoryRepository.AddKey(location, parsed.GetValue(name)!, key.Read(parsed), TimeProvider.System);
            Tell(parsed, location, $"key '{parsed.GetValue(name)}' opens {location}");
        });
        return command;
    }

    private static Verb CreateRotate()
    {
        var key = new NewKeyOptions("key-rotate");
        var command = new Verb(
            "rotate", "Put a new key into the place of the one that opens the repository, in one step",
            "cutpoint key rotate --key-file old --new-key-file new") { key.File, key.PassphraseFile, key.Command };
        command.SetAction(parsed =>
        {
            var location = RepositoryAccess.Location(parsed);
            var fresh = key.Read(parsed);
            var name = DirectoryRepository.RotateKey(location, fresh, TimeProvider.System);
            Tell(parsed, location, $"key '{name}' of {location} is {fresh.Name} now; {location.Key!.Name} opens nothing but copies that were made of the repository's file before");
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
