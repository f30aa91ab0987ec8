using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.CommandLine;

public sealed class Settings_and_help : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public async Task A_flag_wins_over_the_environment_and_that_over_the_configuration_file()
    {
        var file = _directory.File("state/config.json");
        Directory.CreateDirectory(_directory.File("state"));
        await File.WriteAllTextAsync(file, $$"""{ "json": true, "repository": "{{_directory.File("of-file")}}" } // comments are taken""");

        Assert.Equal(_directory.File("of-file"), await RepositoryAsync(environment: null));
        Assert.Equal(_directory.File("of-environment"), await RepositoryAsync(_directory.File("of-environment")));
        Assert.Equal(_directory.File("of-flag"), await RepositoryAsync(_directory.File("of-environment"), "--repository", _directory.File("of-flag")));
    }

    [Fact]
    public async Task Every_verb_has_help_that_names_its_arguments_and_options()
    {
        var root = (await RunAsync("--help")).Output;
        var verbs = Regex.Match(root, @"Verbs:\n((  .*\n)+)").Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[2] != ' ').Select(line => line.Trim().Split(' ')[0]).ToList();
        Assert.Contains("show", verbs);
        Assert.DoesNotContain("guard", verbs);
        foreach (var verb in verbs)
        {
            var help = await RunAsync(verb, "--help");
            Assert.Equal(0, help.ExitCode);
            Assert.StartsWith($"Usage: cutpoint {verb}", help.Output, StringComparison.Ordinal);
            Assert.Contains("Examples:", help.Output, StringComparison.Ordinal);
            Assert.Contains("--repository DIR", help.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_completion_of_a_shell_finds_verbs_and_options()
    {
        Assert.Contains("_cutpoint", (await RunAsync("completion", "bash")).Output, StringComparison.Ordinal);
        Assert.Contains("init\n", (await RunAsync("[suggest:11]", "cutpoint in")).Output, StringComparison.Ordinal);
        Assert.Contains("--repository", (await RunAsync("[suggest:18]", "cutpoint list --re")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_verb_it_says_how_it_is_used_and_fails()
    {
        var result = await RunAsync();

        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("Usage: cutpoint", result.Output, StringComparison.Ordinal);
    }

    public void Dispose() => _directory.Dispose();

    private async Task<string> RepositoryAsync(string? environment, params string[] flags)
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var start = new CutpointProgram("", _directory.File("state")).Command(["init", .. flags]);
        start.Environment["CUTPOINT_REPOSITORY"] = environment;
        using var process = System.Diagnostics.Process.Start(start)!;
        var result = await CutpointProgram.FinishAsync(process, cancellation.Token);
        Assert.Equal("", result.Error);
        return (string)JsonNode.Parse(result.Output)!["directory"]!;
    }

    private async Task<CutpointResult> RunAsync(params string[] arguments)
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return await new CutpointProgram(_directory.File("repository"), _directory.File("state")).RunAsync(cancellation.Token, arguments);
    }
}
