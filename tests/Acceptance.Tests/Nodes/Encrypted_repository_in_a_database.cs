using System.Text;
using System.Text.Json.Nodes;
using Cutpoint.Shared.Tests.Durability;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>An encrypted repository whose catalog and journal are in PostgreSQL: everything works with the key, and neither a dump of the database nor the directory tells anything.</summary>
public sealed class Encrypted_repository_in_a_database(PostgresServer server) : BadDays.BadDay, IClassFixture<PostgresServer>, IAsyncLifetime
{
    private readonly List<NodeProcess> _nodes = [];
    private string _database = "";

    private string[] Key => ["--key-file", Directory.File("key")];

    private string SecretFile => Directory.File("secret");

    public async Task InitializeAsync()
    {
        File.WriteAllText(SecretFile, Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(SecretFile, UnixFileMode.UserRead);
        _database = await server.CreateDatabaseAsync();
        Cutpoint = new CutpointProgram($"{server.Url(_database)}?packs={Directory.File("packs")}", Directory.File("state"));
        Assert.True((bool)(await QueryAsync("init", "--encrypt"))["encrypted"]!);
    }

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
    }

    [Fact]
    public async Task A_job_that_was_submitted_is_taken_by_nodes_and_the_database_tells_nothing_before_and_after()
    {
        string[] submission = ["take", "//one/reference:telling-guest?ram=16MiB&seed=1", "--name", "telling-name", "--label", "telling=label", "--detach", "--json"];
        IsOneClearLine(await RunAsync([.. submission[..^1]]), 12, "encrypted and no key was given");
        // Also where only the database can be seen.
        var elsewhere = new CutpointProgram($"{server.Url(_database)}?packs={Directory.File("nowhere")}", Directory.File("state"));
        IsOneClearLine(await elsewhere.RunAsync(Cancellation, submission[..^1]), 12, "encrypted and no key was given");
        IsOneClearLine(await elsewhere.RunAsync(Cancellation, [.. submission[..^1], .. Key]), 10, "nowhere");
        Assert.Empty((await QueryAsync("list"))["jobs"]!.AsArray());

        var job = (string)JsonNode.Parse((await RunAsync([.. submission, .. Key])).Output)!["id"]!;
        var listed = Assert.Single((await QueryAsync("list"))["jobs"]!.AsArray())!;
        Assert.Equal((job, "telling-name"), ((string)listed["id"]!, (string?)listed["name"]));
        await TellsNothingAsync();

        var database = Cutpoint.Repository[..Cutpoint.Repository.IndexOf('?', StringComparison.Ordinal)];
        await RegisteredAsync(await NodeProcess.StartWorkerAsync(Directory.File("one"), SecretFile, Cancellation, "--name", "one", "--database", database));
        await RegisteredAsync(NodeProcess.StartCoordinator(new CutpointProgram(Cutpoint.Repository, Directory.File("c1")), SecretFile, ["--name", "c1", .. Key]));
        Assert.Equal(0, (await RunAsync(["watch", job, .. Key])).ExitCode);

        var taken = await QueryAsync("show", "telling-name");
        Assert.Equal(job, (string)taken["id"]!);
        Assert.Equal("telling-guest", (string?)taken["guests"]![0]!["name"]);
        Assert.Equal(2, (await QueryAsync("node", "ls"))["nodes"]!.AsArray().Count);
        await TellsNothingAsync();
    }

    [Fact]
    public async Task Every_verb_works_with_the_key_and_none_without_it()
    {
        const string Guest = "reference:telling-guest?ram=16MiB&paused&seed=";
        var first = await QueryAsync("take", Guest + "1", "--name", "telling-name", "--label", "telling=label");
        await QueryAsync("take", Guest + "2");
        Assert.Equal(0, (long)(await QueryAsync("take", Guest + "2"))["guests"]![0]!["newBytes"]!);
        Assert.True((bool)(await QueryAsync("verify"))["isSound"]!);
        await QueryAsync("forget", (string)first["id"]!);
        Assert.True((long)(await QueryAsync("gc"))["bytes"]! > 0);
        Assert.Equal(2, (await QueryAsync("repair"))["checkpoints"]!.AsArray().Count);
        Assert.True((bool)(await QueryAsync("verify"))["isSound"]!);
        Assert.Equal(0, (await RunAsync(["doctor", .. Key])).ExitCode);
        await TellsNothingAsync();

        await File.WriteAllTextAsync(Directory.File("wrong"), new string('x', 40));
        foreach (var verb in new string[][] { ["list"], ["take", Guest], ["verify"], ["gc"], ["repair"], ["key", "rotate", "--new-key-file", Directory.File("new")] })
        {
            IsOneClearLine(await RunAsync(verb), 12, "encrypted and no key was given");
            IsOneClearLine(await RunAsync([.. verb, "--key-file", Directory.File("wrong")]), 12, "is not opened by the key file");
        }
        var doctor = await RunAsync("doctor");
        Assert.Equal(0, doctor.ExitCode);
        Assert.Contains("only its structure was looked at", doctor.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync(["key", "rotate", "--new-key-file", Directory.File("new"), .. Key])).ExitCode);
        IsOneClearLine(await RunAsync(["list", .. Key]), 12, "is not opened by the key file");
        Assert.Equal(0, (await RunAsync("list", "--key-file", Directory.File("new"))).ExitCode);
    }

    private async Task TellsNothingAsync()
    {
        var dump = await server.DumpAsync(_database);
        Assert.Contains("COPY cutpoint.event", dump, StringComparison.Ordinal);
        var files = System.IO.Directory.GetFiles(Directory.File("packs"), "*", SearchOption.AllDirectories);
        foreach (var word in new[] { "telling", "reference:", "seed=", "ram=16MiB" })
        {
            var octets = Encoding.ASCII.GetBytes(word);
            Assert.DoesNotContain(word, dump, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexStringLower(octets), dump, StringComparison.Ordinal);
            foreach (var path in files) Assert.True((await File.ReadAllBytesAsync(path)).AsSpan().IndexOf(octets) < 0, $"{path} tells '{word}'");
        }
    }

    private async Task RegisteredAsync(NodeProcess node)
    {
        _nodes.Add(node);
        await node.HearAsync("registered as", Cancellation);
    }

    private Task<JsonNode> QueryAsync(params string[] arguments) => Cutpoint.QueryAsync(Cancellation, [.. arguments, .. Key]);
}
