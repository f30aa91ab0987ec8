using Cutpoint.Durability;
using Cutpoint.Nodes;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>Finds where nodes listen: a name that is registered is that node's, any other is a host's.</summary>
/// <param name="registry">The registry, or null where there is none.</param>
public sealed class NodeDirectory(NodeRegistry? registry)
{
    /// <summary>The addresses of nodes that are named. Asked anew by each process that runs a job: a node may have moved.</summary>
    /// <exception cref="SnapshotException">A node is lost, or serves no guests.</exception>
    public async Task<IReadOnlyDictionary<string, NodeAddress>> FindAsync(IEnumerable<string> nodes, CancellationToken cancellation)
    {
        var names = nodes.Distinct().ToList();
        var registered = registry is null || names.TrueForAll(HasPort) ? [] : await registry.ListAsync(cancellation);
        return names.ToDictionary(name => name, name => registered.Find(node => node.Name == name) is { } node ? AddressOf(node) : NodeAddress.Parse(name));
    }

    private static bool HasPort(string name) => name.Contains(':', StringComparison.Ordinal);

    private static NodeAddress AddressOf(RegisteredNode node)
    {
        if (node.Address.Length == 0)
            throw new SnapshotException(ErrorCode.Usage, $"node '{node.Name}' serves no guests: it is a {node.Roles}", "name a worker; 'cutpoint node ls' shows them") { IsPreflight = true };
        return node.LostAt is { } since
            ? throw new SnapshotException(
                ErrorCode.Locked, $"node '{node.Name}' is lost since {since:u}", "start it again, or name its address if it runs without the database") { IsPreflight = true }
            : NodeAddress.Parse(node.Address);
    }
}
