using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Guests;
using Cutpoint.Nodes;
using Cutpoint.Workers.Nodes;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Cli.Commands;

/// <summary>A long-lived node: serves the guests of its machine to coordinators elsewhere, goes on with jobs whose process died, or both.</summary>
internal static class NodeCommand
{
    private const string Verb = "node";

    public static Command Create()
    {
        var roles = Setting.Create(
            Verb, "roles", "What the node does: a 'worker' serves the guests of this machine, a 'coordinator' goes on with jobs of the repository whose process died",
            ParseRoles, "worker,coordinator", "worker");
        var listen = Setting.Create(
            Verb, "listen", "Where a worker listens for coordinators", NodeAddress.Parse, "HOST[:PORT]", $"127.0.0.1:{NodeAddress.DefaultPort}");
        var command = new Verb(
            Verb, "Serve the guests of this machine to 'cutpoint take' on others, or look after interrupted jobs, until it is told to end",
            """
            (umask 077; openssl rand -hex 32 > /etc/cutpoint/secret)
            cutpoint node --roles worker --listen 0.0.0.0 --secret-file /etc/cutpoint/secret
            cutpoint node --roles coordinator --repository /srv/cutpoint --secret-file /etc/cutpoint/secret
            """) { roles, listen, CommonOptions.SecretFile };
        command.SetAction((parsed, cancellation) => RunAsync(parsed, parsed.GetValue(roles), parsed.GetValue(listen)!, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, NodeRoles roles, NodeAddress address, CancellationToken cancellation)
    {
        var secret = TakeCommand.Secret(parsed);
        if (secret is null && roles.HasFlag(NodeRoles.Worker))
        {
            throw new SnapshotException(
                ErrorCode.Usage, "the secret of the cluster's nodes is not named", "name its file with --secret-file, or set CUTPOINT_SECRET_FILE") { IsPreflight = true };
        }
        var time = TimeProvider.System;
        await TakeCommand.ThawAsync(time, cancellation);
        using var reference = new ReferenceDriver(time);
        IGuestDriver[] drivers = [new QemuDriver(new QemuSessionOptions(), time), reference];
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = new List<Task>();
        try
        {
            if (roles.HasFlag(NodeRoles.Worker)) running.Add(await ServeAsync(parsed, address, drivers, secret!, time, over.Token));
            if (roles.HasFlag(NodeRoles.Coordinator)) running.Add(await KeepAsync(parsed, drivers, secret, time, over.Token));
            // One that fails ends the other.
            await Task.WhenAny(running);
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(running);
        }
        return 0;
    }

    /// <returns>When it listens: the worker, which runs until it is cancelled.</returns>
    private static async Task<Task> ServeAsync(
        ParseResult parsed, NodeAddress address, IReadOnlyList<IGuestDriver> drivers, NodeSecret secret, TimeProvider time, CancellationToken cancellation)
    {
        var overlays = new OverlayUpkeep(new OverlayLedger(), time);
        foreach (var outcome in await overlays.FinishAsync(cancellation)) Note(outcome.ToString());
        var node = await WorkerNode.ListenAsync(address, drivers, overlays, secret, Note, time, cancellation);
        if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(new ListeningNode(node.Address.ToString()), JsonOutput.Types.ListeningNode);
        else Console.Out.WriteLine($"listening on {node.Address}");
        return RunAsync();

        async Task RunAsync()
        {
            using (node) await node.RunAsync(cancellation);
        }
    }

    /// <returns>When the repository is open: the keeper of its jobs, which runs until it is cancelled.</returns>
    private static async Task<Task> KeepAsync(
        ParseResult parsed, IReadOnlyList<IGuestDriver> drivers, NodeSecret? secret, TimeProvider time, CancellationToken cancellation)
    {
        var repository = await RepositoryAccess.OpenOrCreateDefaultAsync(parsed, cancellation);
        Note($"looking after the jobs of {repository.Directory}");
        // Whatever ends this process does not end the job: another goes on with it.
        var keeper = new JobKeeper(
            repository, (job, token) => new TakeJob(drivers, repository, secret, null, time).ResumeAsync(job, token, ending: token), Note, time);
        return RunAsync();

        async Task RunAsync()
        {
            await using (repository) await keeper.RunAsync(cancellation);
        }
    }

    private static void Note(string line) => Console.Error.WriteLine($"cutpoint: {line}");

    private static NodeRoles ParseRoles(string text) =>
        text.Split(',').Select(Value.Choice<NodeRoles>).Aggregate((all, one) => all | one);
}

/// <summary>What a node is there for.</summary>
[Flags]
internal enum NodeRoles
{
    /// <summary>It serves the guests of its machine.</summary>
    Worker = 1,

    /// <summary>It goes on with jobs whose process died.</summary>
    Coordinator = 2,
}

/// <summary>What a node prints when it is ready.</summary>
/// <param name="Listening">The address it listens on.</param>
internal sealed record ListeningNode(string Listening);
