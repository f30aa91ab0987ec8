using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.CommandLine;

public sealed class Upkeep_of_a_repository : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly CancellationTokenSource _cancellation = new(TimeSpan.FromMinutes(5));
    private readonly CutpointProgram _cutpoint;

    public Upkeep_of_a_repository() => _cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));

    [Fact]
    public async Task A_guest_is_taken_again_compared_forgotten_by_age_and_collected()
    {
        await QueryAsync("init");
        var first = await QueryAsync("take", "reference:a?ram=16MiB&seed=1&paused");
        var same = await QueryAsync("take", "reference:a?ram=16MiB&seed=1&paused");
        var other = await QueryAsync("take", "reference:a?ram=16MiB&seed=2&paused");
        Assert.Equal((string?)first["id"], (string?)same["guests"]![0]!["base"]!["checkpoint"]);
        Assert.Equal(0, (long)same["guests"]![0]!["newBytes"]!);
        Assert.True((long)other["guests"]![0]!["newBytes"]! > 0);

        Assert.Equal(0, (long)(await QueryAsync("diff", (string)first["id"]!, (string)same["id"]!))["guests"]![0]!["blocks"]![0]!["pages"]!);
        Assert.True((long)(await QueryAsync("diff", (string)first["id"]!, "latest"))["guests"]![0]!["blocks"]![0]!["changed"]! > 100);

        var dry = await RunAsync("forget", "--keep-last", "1", "--dry-run");
        Assert.Contains("would forget 2 of 3 checkpoints", dry.Output, StringComparison.Ordinal);
        Assert.Contains("no rule keeps it", dry.Output, StringComparison.Ordinal);
        Assert.Equal(3, (await QueryAsync("list"))["checkpoints"]!.AsArray().Count);
        var forgotten = await QueryAsync("forget", "--keep-last", "1");
        Assert.Equal((string?)other["id"], (string?)Assert.Single(forgotten["kept"]!.AsArray())!["id"]);
        Assert.Equal((string?)other["id"], (string?)Assert.Single((await QueryAsync("list"))["checkpoints"]!.AsArray())!["id"]);
        Assert.True((long)(await QueryAsync("gc"))["bytes"]! > 0);
        Assert.True((bool)(await QueryAsync("verify", "--new"))["isSound"]!);
    }

    [Theory]
    [InlineData("forget")]
    [InlineData("forget", "latest", "--keep-last", "1")]
    [InlineData("forget", "--keep-daily", "0")]
    public async Task Forget_needs_either_checkpoints_or_rules(params string[] arguments)
    {
        await QueryAsync("init");
        var result = await RunAsync(arguments);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("cutpoint: ", result.Error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _cancellation.Dispose();
        _directory.Dispose();
    }

    private Task<JsonNode> QueryAsync(params string[] arguments) => _cutpoint.QueryAsync(_cancellation.Token, arguments);

    private Task<CutpointResult> RunAsync(params string[] arguments) => _cutpoint.RunAsync(_cancellation.Token, arguments);
}
