using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Guests;
using Cutpoint.Nodes;
using Cutpoint.Workers.Nodes;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Cli.Commands;

/// <summary>A long-lived node: serves the guests of its machine to coordinators elsewhere.</summary>
internal static class NodeCommand
{
    private const string Verb = "node";

    public static Command Create()
    {
        var roles = Setting.Create(Verb, "roles", "What the node does: 'worker' serves the guests of this machine", Value.Choice<NodeRole>, "worker", "worker");
        var listen = Setting.Create(
            Verb, "listen", "Where it listens for coordinators", NodeAddress.Parse, "HOST[:PORT]", $"127.0.0.1:{NodeAddress.DefaultPort}");
        var command = new Verb(
            Verb, "Serve the guests of this machine to 'cutpoint take' on other machines, until it is told to end",
            """
            (umask 077; openssl rand -hex 32 > /etc/cutpoint/secret)
            cutpoint node --roles worker --listen 0.0.0.0 --secret-file /etc/cutpoint/secret
            """) { roles, listen, CommonOptions.SecretFile };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed.GetValue(listen)!, parsed.GetValue(CommonOptions.SecretFile), parsed.GetValue(CommonOptions.Json), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(NodeAddress address, string? secretFile, bool json, CancellationToken cancellation)
    {
        var secret = NodeSecret.Read(secretFile ?? throw new SnapshotException(
            ErrorCode.Usage, "the secret of the cluster's nodes is not named", "name its file with --secret-file, or set CUTPOINT_SECRET_FILE") { IsPreflight = true });
        var time = TimeProvider.System;
        await TakeCommand.ThawAsync(time, cancellation);
        using var reference = new ReferenceDriver(time);
        IGuestDriver[] drivers = [new QemuDriver(new QemuSessionOptions(), time), reference];
        using var node = await WorkerNode.ListenAsync(address, drivers, secret, line => Console.Error.WriteLine($"cutpoint: {line}"), time, cancellation);
        if (json) JsonOutput.Write(new ListeningNode(node.Address.ToString()), JsonOutput.Types.ListeningNode);
        else Console.Out.WriteLine($"listening on {node.Address}");
        await node.RunAsync(cancellation);
        return 0;
    }
}

/// <summary>What a node is there for.</summary>
internal enum NodeRole
{
    /// <summary>It serves the guests of its machine.</summary>
    Worker,
}

/// <summary>What a node prints when it is ready.</summary>
/// <param name="Listening">The address it listens on.</param>
internal sealed record ListeningNode(string Listening);
