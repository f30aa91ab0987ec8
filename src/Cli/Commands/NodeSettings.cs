using System.Net;
using Cutpoint.Durability;
using Cutpoint.Nodes;

namespace Cutpoint.Cli.Commands;

/// <summary>How a node was started.</summary>
/// <param name="Roles">What it is there for.</param>
/// <param name="Listen">Where a worker listens.</param>
/// <param name="Advertise">Where coordinators reach it, when that was said.</param>
/// <param name="Name">Its name, when that was said.</param>
/// <param name="Jobs">Jobs a coordinator runs at once.</param>
/// <param name="Secret">The secret of the cluster's nodes.</param>
internal sealed record NodeSettings(NodeRoles Roles, NodeAddress Listen, NodeAddress? Advertise, string? Name, int Jobs, NodeSecret? Secret)
{
    public bool IsWorker => Roles.HasFlag(NodeRoles.Worker);

    public bool IsCoordinator => Roles.HasFlag(NodeRoles.Coordinator);

    /// <summary>Where coordinators reach a worker that listens.</summary>
    public NodeAddress AdvertisedAs(IPEndPoint listening) => Advertise
        ?? (listening.Address.Equals(IPAddress.Any) || listening.Address.Equals(IPAddress.IPv6Any)
            ? new NodeAddress(Environment.MachineName, listening.Port) : NodeAddress.Parse(listening.ToString()));

    /// <summary>What the registry is told.</summary>
    /// <param name="address">Where coordinators reach it; empty for a mere coordinator.</param>
    public NodeDescription Describe(string address) => new(
        Name ?? (IsWorker ? Environment.MachineName : $"{Environment.MachineName}-{NodeCommand.CoordinatorRole}"),
        string.Join(',', Enum.GetValues<NodeRoles>().Where(role => Roles.HasFlag(role)).Select(role => role.ToString().ToLowerInvariant())), address,
        typeof(NodeSettings).Assembly.GetName().Version!.ToString(3));
}
