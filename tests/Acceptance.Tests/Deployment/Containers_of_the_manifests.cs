using System.Diagnostics;
using System.Security.Cryptography;
using Cutpoint.Shared.Tests.Durability;
using Cutpoint.TestGuests;
using k8s.Models;

namespace Cutpoint.Acceptance.Tests.Deployment;

/// <summary>What the manifests start is started as they say, on a real database: a guest is taken by it.</summary>
public sealed class Containers_of_the_manifests(PostgresServer server) : IClassFixture<PostgresServer>, IDisposable
{
    private const int SigTerm = 15;

    private readonly CancellationTokenSource _patience = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryDirectory _root = new();

    private CancellationToken Cancellation => _patience.Token;

    public void Dispose()
    {
        _patience.Dispose();
        _root.Dispose();
    }

    [Fact]
    public async Task make_the_repository_once_and_take_a_guest_of_a_node_and_end_when_they_are_asked_to()
    {
        var workloads = (await RenderedManifests.OfAsync("overlays/example")).Workloads.ToDictionary(one => one.Name, one => one.Pod);
        var (coordinator, worker) = (workloads["cutpoint-coordinator"], workloads["cutpoint-worker"]);
        var pod = new PodFixture(_root.Path, new Dictionary<string, string>
        {
            ["database"] = $"{server.Url(await server.CreateDatabaseAsync())}?sslmode=disable", ["node-secret"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(32)),
        });
        // Also where the repository is there already.
        for (var time = 0; time < 2; time++) await RunAsync(pod, Assert.Single(coordinator.InitContainers));
        var main = Assert.Single(coordinator.Containers);
        using var first = pod.Start(main);
        using var second = pod.Start(Assert.Single(worker.Containers));
        try
        {
            var listening = await second.StandardOutput.ReadLineAsync(Cancellation);
            if (listening is null) Assert.Fail(await second.StandardError.ReadToEndAsync(Cancellation));
            // Until the worker is known by its name.
            while (!(await RunAsync(pod, main, "cutpoint", "node", "ls")).Contains("node-1", StringComparison.Ordinal)) await Task.Delay(TimeSpan.FromMilliseconds(50), Cancellation);

            await RunAsync(pod, main, "cutpoint", "take", "//node-1/reference:a?ram=4MiB", "--name", "in-a-cluster", "--submit");

            Assert.Contains("in-a-cluster", await RunAsync(pod, main, "cutpoint", "list"), StringComparison.Ordinal);
            foreach (var one in (Process[])[first, second])
            {
                CutpointProgram.Signal(one, SigTerm);
                await one.WaitForExitAsync(Cancellation);
                Assert.True(one.ExitCode == 0, await one.StandardError.ReadToEndAsync(Cancellation));
            }
        }
        finally
        {
            foreach (var one in (Process[])[first, second]) one.Kill();
        }
    }

    private async Task<string> RunAsync(PodFixture pod, V1Container container, params string[] command)
    {
        using var process = pod.Start(container, command);
        var result = await CutpointProgram.FinishAsync(process, Cancellation);
        Assert.True(result.ExitCode == 0, $"{container.Name} {string.Join(' ', command)}: exit {result.ExitCode}: {result.Output}{result.Error}");
        return result.Output;
    }
}
