using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Durability;

namespace Cutpoint.Cli.Commands;

/// <summary>Shows the registry of nodes: who there is, and what became of them.</summary>
internal static class NodeRegistryCommand
{
    private const int MaxRecords = 1000;

    public static Command CreateList()
    {
        var command = new Verb("ls", "List the registered nodes, alive or lost", "cutpoint node ls --database postgres://cutpoint@db/cutpoint") { CommonOptions.Database };
        command.SetAction((parsed, cancellation) => ShowAsync(parsed, ListAsync, cancellation));
        return command;
    }

    public static Command CreateLog()
    {
        var command = new Verb("log", "Tell which nodes joined, left, were lost and returned, oldest first", "cutpoint node log | tail") { CommonOptions.Database };
        command.SetAction((parsed, cancellation) => ShowAsync(parsed, LogAsync, cancellation));
        return command;
    }

    private static async Task ShowAsync(ParseResult parsed, Func<NodeRegistry, bool, CancellationToken, Task> show, CancellationToken cancellation)
    {
        var connection = ClusterDatabase.ConnectionOf(parsed) ?? throw new SnapshotException(
            ErrorCode.Usage, "the database of the registry is not named", "name it with --database postgres://user@host/db, or set CUTPOINT_DATABASE") { IsPreflight = true };
        await using var database = await PostgresDatabase.OpenAsync(connection, TimeProvider.System, cancellation);
        await show(new NodeRegistry(database), parsed.GetValue(CommonOptions.Json), cancellation);
    }

    private static async Task ListAsync(NodeRegistry registry, bool json, CancellationToken cancellation)
    {
        var nodes = await registry.ListAsync(cancellation);
        if (json)
        {
            JsonOutput.Write(new NodesResult(nodes), JsonOutput.Types.NodesResult);
            return;
        }
        var table = new Table("NAME", "ROLES", "ADDRESS", "VERSION", "SINCE", "STATE");
        foreach (var node in nodes)
        {
            table.Add(
                node.Name, node.Roles, node.Address.Length == 0 ? "-" : node.Address, node.Program, Quantity.When(node.JoinedAt),
                node.LostAt is { } lost ? $"lost since {Quantity.When(lost)}" : "alive");
        }
        table.Write(Console.Out);
    }

    private static async Task LogAsync(NodeRegistry registry, bool json, CancellationToken cancellation)
    {
        var records = await registry.ListRecordsAsync(MaxRecords, cancellation);
        if (json)
        {
            JsonOutput.Write(new NodeRecordsResult(records), JsonOutput.Types.NodeRecordsResult);
            return;
        }
        var table = new Table("WHEN", "NAME", ">EPOCH", "WHAT");
        foreach (var one in records)
            table.Add(Quantity.When(one.HappenedAt), one.Name, Quantity.Count(one.Epoch), one.Transition.ToString().ToLowerInvariant());
        table.Write(Console.Out);
    }
}

/// <summary>What node ls prints.</summary>
internal sealed record NodesResult(IReadOnlyList<RegisteredNode> Nodes);

/// <summary>What node log prints.</summary>
internal sealed record NodeRecordsResult(IReadOnlyList<NodeRecord> Records);
