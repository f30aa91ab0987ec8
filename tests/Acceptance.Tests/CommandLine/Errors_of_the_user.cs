using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.CommandLine;

/// <summary>What a user can do wrong without any guest: each is one line that says what, where and what to do, and has its exit code.</summary>
public sealed class Errors_of_the_user : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly CutpointProgram _cutpoint;

    public Errors_of_the_user() => _cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));

    [Fact]
    public async Task A_repository_that_is_not_there_is_named_with_the_command_that_creates_it()
    {
        var result = await RunAsync("list");

        Assert.Equal(10, result.ExitCode);
        Assert.Equal($"cutpoint: there is no repository in {_cutpoint.Repository} — create one with 'cutpoint init --repository {_cutpoint.Repository}'", Line(result));
    }

    [Fact]
    public async Task A_checkpoint_that_is_not_there_is_named()
    {
        await RunAsync("init");

        var result = await RunAsync("show", "nightly");

        Assert.Equal(10, result.ExitCode);
        Assert.StartsWith("cutpoint: ", Line(result), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_init_leaves_the_repository_alone()
    {
        await RunAsync("init");

        var result = await RunAsync("init");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("not empty", Line(result), StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("list")).ExitCode);
    }

    [Theory]
    [InlineData("'cutpoint --help'", "nosuchverb")]
    [InlineData("'cutpoint list --help'", "list", "--nosuchoption")]
    [InlineData("'cutpoint show --help'", "show")]
    [InlineData("'cutpoint key add --help'", "key", "add", "--nosuchoption")]
    public async Task A_wrong_command_line_names_the_help_that_tells_the_right_one(string help, params string[] arguments)
    {
        var result = await RunAsync(arguments);

        Assert.Equal(2, result.ExitCode);
        Assert.EndsWith($"see {help}", Line(result), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("take", "--no-base", "qemu:/run/vm1.qmp")]
    [InlineData("show", "--no-base")]
    [InlineData("verify", "--no-base")]
    public async Task A_mistyped_option_is_told_as_one_and_taken_for_no_guest_or_checkpoint(params string[] arguments)
    {
        var result = await RunAsync(arguments);

        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("cutpoint: unrecognized option '--no-base'", Line(result), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_follows_two_dashes_is_a_name_whatever_it_begins_with() =>
        Assert.Equal(10, (await RunAsync("inspect", "--", "--no-such-file")).ExitCode);

    [Fact]
    public async Task With_json_a_failure_is_one_object_on_standard_output()
    {
        var result = await RunAsync("list", "--json");

        Assert.Equal(10, result.ExitCode);
        Assert.Empty(result.Error);
        var error = JsonNode.Parse(result.Output)!["error"]!;
        Assert.Equal("NotFound", (string?)error["code"]);
        Assert.Contains(_cutpoint.Repository, (string?)error["message"], StringComparison.Ordinal);
        Assert.Contains("cutpoint init", (string?)error["advice"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_configuration_file_is_named()
    {
        Directory.CreateDirectory(_directory.File("state"));
        await File.WriteAllTextAsync(_directory.File("state/config.json"), "{ \"json\": maybe }");

        var result = await RunAsync("list");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains(_directory.File("state/config.json"), Line(result), StringComparison.Ordinal);
    }

    public void Dispose() => _directory.Dispose();

    private static string Line(CutpointResult result)
    {
        Assert.Empty(result.Output);
        return Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    private async Task<CutpointResult> RunAsync(params string[] arguments)
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return await _cutpoint.RunAsync(cancellation.Token, arguments);
    }
}
