using System.Text.RegularExpressions;
using k8s.Models;

namespace Cutpoint.Acceptance.Tests.Deployment;

/// <summary>Rendered by the real kubectl: nothing in them is what a cluster would refuse, or take and then not do.</summary>
public sealed partial class Manifests_for_Kubernetes
{
    private const string Base = "base", Example = "overlays/example";
    private const string Name = "app.kubernetes.io/name";

    /// <summary>As long as a section of 4 MiB takes on a slow share, with the guests to put back before.</summary>
    private const int LeastGraceSeconds = 30;

    private static readonly string[] Labels =
        [Name, "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"];

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task are_objects_of_known_types_with_names_and_labels_of_their_own(string directory)
    {
        var objects = (await RenderedManifests.OfAsync(directory)).Objects;

        Assert.Equal(objects.Count, objects.DistinctBy(one => (one.Kind, one.Metadata.Name)).Count());
        Assert.Equal(["cutpoint-coordinator", "cutpoint-worker"], (await RenderedManifests.OfAsync(directory)).Workloads.Select(one => one.Name).Order());
        foreach (var one in objects.Where(one => one is not V1Namespace))
            Assert.All(Labels, label => Assert.True(one.Metadata.Labels.ContainsKey(label), $"{one.Kind} {one.Metadata.Name} lacks the label {label}"));
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task select_the_pods_that_are_there(string directory)
    {
        var manifests = await RenderedManifests.OfAsync(directory);
        var workloads = manifests.Workloads.ToList();
        foreach (var workload in workloads)
        {
            // A selector that takes another's pods as well makes two controllers fight for them.
            Assert.Equal([workload], workloads.Where(other => other.IsTakenBy(workload.Selector)));
            foreach (var spread in workload.Pod.TopologySpreadConstraints ?? []) Assert.True(workload.IsTakenBy(spread.LabelSelector), workload.Name);
        }
        foreach (var budget in manifests.Objects.OfType<V1PodDisruptionBudget>()) Assert.Contains(workloads, one => one.IsTakenBy(budget.Spec.Selector));
        foreach (var policy in manifests.Objects.OfType<V1NetworkPolicy>())
        {
            Assert.Contains(workloads, one => one.IsTakenBy(policy.Spec.PodSelector));
            foreach (var peer in PeersOf(policy)) Assert.Contains(workloads, one => one.IsTakenBy(peer.PodSelector));
        }
        // Every pod is under a policy: one without may be reached by all.
        Assert.All(workloads, one => Assert.Contains(manifests.Objects.OfType<V1NetworkPolicy>(), policy => one.IsTakenBy(policy.Spec.PodSelector)));
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task mount_what_they_declare_and_guests_files_where_the_guests_have_them(string directory)
    {
        foreach (var workload in (await RenderedManifests.OfAsync(directory)).Workloads)
        {
            var mounts = workload.Containers.SelectMany(container => container.VolumeMounts).ToList();
            Assert.Equal(workload.Pod.Volumes.Select(volume => volume.Name).Order(), mounts.Select(mount => mount.Name).Distinct().Order());
            foreach (var container in workload.Containers)
                Assert.Equal(container.VolumeMounts.Count, container.VolumeMounts.DistinctBy(mount => mount.MountPath).Count());
            foreach (var volume in workload.Pod.Volumes.Where(volume => volume.HostPath is not null))
            {
                // QEMU tells paths of its own; and a directory that kubelet made would be root's.
                Assert.Equal(volume.HostPath.Path, mounts.Single(mount => mount.Name == volume.Name).MountPath);
                Assert.Equal("Directory", volume.HostPath.Type);
            }
        }
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task refer_to_what_is_declared_or_what_the_readme_tells_the_user_to_make(string directory)
    {
        var manifests = await RenderedManifests.OfAsync(directory);
        var readme = await File.ReadAllTextAsync(Path.Combine(RenderedManifests.Root, "README.md"));
        var made = CreateSecret().Match(readme);
        Assert.True(made.Success, "the README makes no secret");
        var keys = made.Groups["key"].Captures.Select(key => key.Value).ToHashSet();
        foreach (var workload in manifests.Workloads)
        {
            Assert.Contains(manifests.Objects.OfType<V1ServiceAccount>(), account => account.Metadata.Name == workload.Pod.ServiceAccountName);
            foreach (var volume in workload.Pod.Volumes)
            {
                Assert.Null(volume.ConfigMap);
                if (volume.Secret is { } secret) Assert.Equal(made.Groups["name"].Value, secret.SecretName);
                if (volume.PersistentVolumeClaim is { } claim)
                {
                    var claimed = Assert.Single(manifests.Objects.OfType<V1PersistentVolumeClaim>(), one => one.Metadata.Name == claim.ClaimName);
                    Assert.Equal(["ReadWriteMany"], claimed.Spec.AccessModes);
                }
            }
            foreach (var container in workload.Containers)
            {
                Assert.Null(container.EnvFrom);
                foreach (var reference in container.Env.Select(variable => variable.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>())
                {
                    Assert.Equal(made.Groups["name"].Value, reference.Name);
                    Assert.Contains(reference.Key, keys);
                }
                var files = container.Args.SelectMany(argument => SecretFile().Matches(argument)).Select(file => file.Groups[1].Value);
                Assert.All(files, file => Assert.Contains(file, keys));
            }
        }
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task run_without_rights_and_within_bounds(string directory)
    {
        foreach (var workload in (await RenderedManifests.OfAsync(directory)).Workloads)
        {
            var pod = workload.Pod;
            Assert.False(pod.AutomountServiceAccountToken);
            Assert.Null(pod.HostNetwork);
            Assert.True(pod.TerminationGracePeriodSeconds >= LeastGraceSeconds, workload.Name);
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            Assert.True(pod.SecurityContext is { RunAsUser: > 0, RunAsGroup: > 0 }, workload.Name);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            foreach (var container in workload.Containers)
            {
                var security = container.SecurityContext;
                Assert.False(security.AllowPrivilegeEscalation);
                Assert.True(security.ReadOnlyRootFilesystem);
                Assert.Equal(["ALL"], security.Capabilities.Drop);
                Assert.Null(security.Capabilities.Add);
                Assert.Null(security.Privileged);
                Assert.Equal(["cpu", "memory"], container.Resources.Requests.Keys.Order());
                Assert.Equal(["memory"], container.Resources.Limits.Keys);
                Assert.Matches("^[^@]+:[0-9.]+$", container.Image);
                // A database that is away must not take the nodes along.
                Assert.Null(container.LivenessProbe);
            }
        }
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task write_only_where_something_is_mounted(string directory)
    {
        foreach (var container in (await RenderedManifests.OfAsync(directory)).Workloads.SelectMany(workload => workload.Containers))
        {
            var writable = container.VolumeMounts.Where(mount => mount.ReadOnlyProperty is not true).Select(mount => mount.MountPath).ToList();
            foreach (var variable in (string[])["XDG_STATE_HOME", "TMPDIR"])
                Assert.Contains(container.Env.Single(one => one.Name == variable).Value, writable);
            if (container.Env.SingleOrDefault(one => one.Name == "CUTPOINT_REPOSITORY") is { } repository)
                Assert.Contains(repository.Value[(repository.Value.LastIndexOf('=') + 1)..], writable);
        }
    }

    [Theory]
    [InlineData(Base)]
    [InlineData(Example)]
    public async Task open_the_port_the_worker_listens_on_to_coordinators_and_to_nobody_else(string directory)
    {
        var manifests = await RenderedManifests.OfAsync(directory);
        var (worker, coordinator) = (manifests.Workloads.Single(one => one.Name == "cutpoint-worker"), manifests.Workloads.Single(one => one.Name == "cutpoint-coordinator"));
        var container = Assert.Single(worker.Pod.Containers);
        var port = Assert.Single(container.Ports);
        Assert.Contains($"--listen=0.0.0.0:{port.ContainerPort}", container.Args);
        Assert.Contains($"--advertise=$(POD_IP):{port.ContainerPort}", container.Args);
        Assert.Equal(port.Name, (string)container.StartupProbe.TcpSocket.Port);

        var policies = manifests.Objects.OfType<V1NetworkPolicy>().ToDictionary(policy => policy.Metadata.Name, policy => policy.Spec);
        var ingress = Assert.Single(policies[worker.Name].Ingress);
        Assert.True(coordinator.IsTakenBy(Assert.Single(ingress.FromProperty).PodSelector));
        Assert.Equal($"{port.ContainerPort}", (string)Assert.Single(ingress.Ports).Port);
        Assert.Null(policies[coordinator.Name].Ingress);
        Assert.Contains(policies[coordinator.Name].Egress, rule => rule.To is [var peer] && worker.IsTakenBy(peer.PodSelector) && rule.Ports is [var to] && (string)to.Port == $"{port.ContainerPort}");
        Assert.All(policies.Values, policy => Assert.Equal(["Ingress", "Egress"], policy.PolicyTypes));
    }

    [Fact]
    public async Task of_the_example_are_all_in_its_namespace_which_admits_them()
    {
        var objects = (await RenderedManifests.OfAsync(Example)).Objects;

        var home = Assert.Single(objects.OfType<V1Namespace>());
        Assert.Equal("privileged", home.Metadata.Labels["pod-security.kubernetes.io/enforce"]);
        Assert.All(objects.Where(one => one is not V1Namespace), one => Assert.Equal(home.Metadata.Name, one.Metadata.NamespaceProperty));
        // What the patches change is there, and what they leave alone too.
        var worker = (await RenderedManifests.OfAsync(Example)).Workloads.Single(one => one.Name == "cutpoint-worker");
        Assert.Equal(["guests", "hugepages", "scratch", "secret", "state"], worker.Pod.Volumes.Select(volume => volume.Name).Order());
        Assert.All((await RenderedManifests.OfAsync(Example)).Workloads.SelectMany(one => one.Containers), one => Assert.StartsWith("registry.example.org/", one.Image, StringComparison.Ordinal));
    }

    private static IEnumerable<V1NetworkPolicyPeer> PeersOf(V1NetworkPolicy policy) =>
        [.. (policy.Spec.Ingress ?? []).SelectMany(rule => rule.FromProperty ?? []), .. (policy.Spec.Egress ?? []).SelectMany(rule => rule.To ?? [])];

    [GeneratedRegex(@"create secret generic (?<name>[\w-]+)(\s+(\\\s+)?--from-(literal|file)=(?<key>[\w.-]+)=\S+)+")]
    private static partial Regex CreateSecret();

    [GeneratedRegex(@"/etc/cutpoint/([\w.-]+)")]
    private static partial Regex SecretFile();
}
