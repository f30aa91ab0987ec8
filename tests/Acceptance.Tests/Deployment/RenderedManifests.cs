using System.Collections.Concurrent;
using System.Diagnostics;
using Cutpoint.TestGuests;
using k8s;
using k8s.Models;

namespace Cutpoint.Acceptance.Tests.Deployment;

/// <summary>The objects kubectl makes of a directory of deploy/k8s, each of its Kubernetes type: a field that the type has not is refused, as by a cluster.</summary>
internal sealed class RenderedManifests
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<RenderedManifests>>> Rendered = [];

    private RenderedManifests(string yaml) =>
        Objects = [.. KubernetesYaml.LoadAllFromString(yaml, typeMap: null, strict: true).Cast<IKubernetesObject<V1ObjectMeta>>()];

    /// <summary>Where the manifests are.</summary>
    public static string Root { get; } = Path.Combine(GuestKit.Root, "deploy", "k8s");

    /// <summary>All of them.</summary>
    public IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Objects { get; }

    /// <summary>Those that run pods.</summary>
    public IEnumerable<Workload> Workloads =>
    [
        .. Objects.OfType<V1Deployment>().Select(one => new Workload(one.Metadata.Name, one.Spec.Selector, one.Spec.Template)),
        .. Objects.OfType<V1DaemonSet>().Select(one => new Workload(one.Metadata.Name, one.Spec.Selector, one.Spec.Template)),
    ];

    /// <summary>Renders a directory, once for all tests.</summary>
    public static Task<RenderedManifests> OfAsync(string directory) =>
        Rendered.GetOrAdd(directory, static name => new(() => RenderAsync(Path.Combine(Root, name)))).Value;

    private static async Task<RenderedManifests> RenderAsync(string directory)
    {
        using var kubectl = Process.Start(new ProcessStartInfo("kubectl", ["kustomize", directory]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (yaml, errors) = (kubectl.StandardOutput.ReadToEndAsync(), kubectl.StandardError.ReadToEndAsync());
        await kubectl.WaitForExitAsync();
        return kubectl.ExitCode == 0 ? new RenderedManifests(await yaml) : throw new InvalidOperationException($"kubectl kustomize {directory}: {await errors}");
    }
}
