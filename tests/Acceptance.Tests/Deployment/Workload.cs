using k8s.Models;

namespace Cutpoint.Acceptance.Tests.Deployment;

/// <summary>What runs pods.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Selector">Which pods it takes for its own.</param>
/// <param name="Template">The pods it makes.</param>
internal sealed record Workload(string Name, V1LabelSelector Selector, V1PodTemplateSpec Template)
{
    public V1PodSpec Pod => Template.Spec;

    /// <summary>Those that run first, and those that stay.</summary>
    public IEnumerable<V1Container> Containers => [.. Pod.InitContainers ?? [], .. Pod.Containers];

    /// <summary>True for a selector that takes its pods.</summary>
    public bool IsTakenBy(V1LabelSelector selector) =>
        selector.MatchLabels.All(wanted => Template.Metadata.Labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value);
}
