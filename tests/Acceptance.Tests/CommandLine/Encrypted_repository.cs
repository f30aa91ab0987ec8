using System.Text;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.CommandLine;

public sealed class Encrypted_repository : IDisposable
{
    private const string Guest = "reference:telling-guest?ram=16MiB&seed=1&paused";

    private readonly TemporaryDirectory _directory = new();
    private readonly CancellationTokenSource _cancellation = new(TimeSpan.FromMinutes(5));
    private readonly CutpointProgram _cutpoint;

    public Encrypted_repository() => _cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));

    private string[] Key => ["--key-file", _directory.File("key")];

    [Fact]
    public async Task Every_verb_works_with_the_key_and_the_disk_tells_nothing()
    {
        var created = await RunAsync(["init", "--encrypt", .. Key]);
        Assert.Equal(0, created.ExitCode);
        Assert.Contains("loses every checkpoint", created.Error, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory.File("key")));

        var first = await QueryAsync("take", Guest, "--name", "telling-name", "--label", "telling=label");
        var second = await QueryAsync("take", "reference:telling-guest?ram=16MiB&seed=2&paused");
        var same = await QueryAsync("take", "reference:telling-guest?ram=16MiB&seed=2&paused");
        Assert.Equal(0, (long)same["guests"]![0]!["newBytes"]!);
        Assert.Equal(3, (await QueryAsync("list"))["checkpoints"]!.AsArray().Count);
        Assert.Equal("telling-guest", (string?)(await QueryAsync("show", "telling-name"))["guests"]![0]!["name"]);
        Assert.True((long)(await QueryAsync("diff", (string)first["id"]!, (string)second["id"]!))["guests"]![0]!["blocks"]![0]!["changed"]! > 100);
        Assert.True((bool)(await QueryAsync("verify"))["isSound"]!);
        AssertTellsNothing("telling", "reference:", "seed=1");

        await QueryAsync("forget", (string)first["id"]!);
        Assert.True((long)(await QueryAsync("gc"))["bytes"]! > 0);
        File.Delete(Path.Combine(_directory.File("repository"), "catalog.sealed"));
        Assert.Equal(2, (await QueryAsync("repair"))["checkpoints"]!.AsArray().Count);
        Assert.True((bool)(await QueryAsync("verify"))["isSound"]!);
        Assert.Equal(0, (await RunAsync(["doctor", .. Key])).ExitCode);
        AssertTellsNothing("telling", "reference:", "seed=1");
    }

    [Fact]
    public async Task A_wrong_or_missing_key_is_one_line_and_exit_code_12()
    {
        Assert.Equal(0, (await RunAsync(["init", "--encrypt", .. Key])).ExitCode);
        await QueryAsync("take", Guest);
        await File.WriteAllTextAsync(_directory.File("wrong"), new string('x', 40));
        string[][] verbs =
        [
            ["list"], ["take", Guest], ["show", "latest"], ["verify"], ["export", "latest", "--format", "raw", "-o", _directory.File("out")], ["restore", "latest", "--launch"],
            ["forget", "latest"], ["gc"], ["repair"], ["resume", "latest"], ["key", "remove", "first"],
        ];
        foreach (var verb in verbs)
        {
            AssertRefused(await RunAsync(verb), "encrypted and no key was given");
            AssertRefused(await RunAsync([.. verb, "--key-file", _directory.File("wrong")]), "is not opened by the key file");
        }
        AssertRefused(await RunAsync(["list", "--key-command", "echo wrong"]), "is not opened by what 'echo wrong' prints");
        AssertRefused(await RunAsync(["doctor", "--key-file", _directory.File("wrong")]), "is not opened by");
        var doctor = await RunAsync(["doctor"]);
        Assert.Equal(0, doctor.ExitCode);
        Assert.Contains("only its structure was looked at", doctor.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(_directory.File("out")));
    }

    [Fact]
    public async Task A_key_is_changed_and_given_by_a_command_a_passphrase_or_the_environment()
    {
        Assert.Equal(0, (await RunAsync(["init", "--encrypt", .. Key])).ExitCode);
        await QueryAsync("take", Guest);
        Assert.Equal(0, (await RunAsync(["key", "add", "words", .. Key, "--new-key-command", "echo correct horse"])).ExitCode);
        Assert.Equal(0, (await RunAsync(["key", "remove", "first", "--key-command", "echo correct horse"])).ExitCode);
        AssertRefused(await RunAsync(["list", .. Key]), "is not opened by the key file");
        await File.WriteAllTextAsync(_directory.File("words"), "correct horse\n");
        var listed = await RunAsync(["list", "--json", "--passphrase-file", _directory.File("words")]);
        Assert.Single(JsonNode.Parse(listed.Output)!["checkpoints"]!.AsArray());
        var keys = await RunAsync(["key", "ls"]);
        Assert.Contains("words", keys.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("first", keys.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync(["list", .. Key, "--passphrase-file", _directory.File("words")])).ExitCode);
    }

    [Fact]
    public async Task A_key_is_rotated_in_one_step_and_only_the_new_one_opens()
    {
        Assert.Equal(0, (await RunAsync(["init", "--encrypt", .. Key])).ExitCode);
        var taken = await QueryAsync("take", Guest);
        await File.WriteAllTextAsync(_directory.File("wrong"), new string('x', 40));
        string[] toNew = ["key", "rotate", "--new-key-file", _directory.File("new")];
        AssertRefused(await RunAsync(toNew), "encrypted and no key was given");
        AssertRefused(await RunAsync([.. toNew, "--key-file", _directory.File("wrong")]), "is not opened by the key file");
        Assert.Equal(2, (await RunAsync(["key", "rotate", .. Key])).ExitCode);
        Assert.Equal(2, (await RunAsync(["key", "rotate", .. Key, "--new-key-file", _directory.File("key")])).ExitCode);
        Assert.False(File.Exists(_directory.File("new")));

        var rotated = await RunAsync([.. toNew, .. Key]);
        Assert.Equal(0, rotated.ExitCode);
        Assert.Contains("key 'first'", rotated.Output, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory.File("new")));
        AssertRefused(await RunAsync(["list", .. Key]), "is not opened by the key file");
        var again = await RunAsync(["key", "rotate", "--json", "--key-file", _directory.File("new"), "--new-key-command", "echo correct horse"]);
        var key = Assert.Single(JsonNode.Parse(again.Output)!["keys"]!.AsArray())!;
        Assert.Equal(("first", "passphrase"), ((string?)key["name"], (string?)key["kind"]));
        var listed = await RunAsync(["list", "--json", "--key-command", "echo correct horse"]);
        Assert.Equal((string?)taken["id"], (string?)Assert.Single(JsonNode.Parse(listed.Output)!["checkpoints"]!.AsArray())!["id"]);
    }

    [Theory]
    [InlineData("init", "--encrypt")]
    [InlineData("init", "--key-file", "/nonexistent/key")]
    public async Task Encryption_and_a_key_are_asked_for_together(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.Equal(2, result.ExitCode);
        Assert.False(Directory.Exists(_directory.File("repository")));
    }

    public void Dispose()
    {
        _cancellation.Dispose();
        _directory.Dispose();
    }

    private static void AssertRefused(CutpointResult result, string message)
    {
        Assert.Equal(12, result.ExitCode);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    private void AssertTellsNothing(params string[] words)
    {
        foreach (var path in Directory.GetFiles(_directory.File("repository"), "*", SearchOption.AllDirectories))
        {
            var octets = File.ReadAllBytes(path);
            foreach (var word in words)
            {
                Assert.True(octets.AsSpan().IndexOf(Encoding.ASCII.GetBytes(word)) < 0, $"{path} tells '{word}'");
                Assert.DoesNotContain(word, path, StringComparison.Ordinal);
            }
        }
    }

    private Task<JsonNode> QueryAsync(params string[] arguments) => _cutpoint.QueryAsync(_cancellation.Token, [.. arguments, .. Key]);

    private Task<CutpointResult> RunAsync(params string[] arguments) => _cutpoint.RunAsync(_cancellation.Token, arguments);
}
