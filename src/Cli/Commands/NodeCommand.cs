using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Durability;
using Cutpoint.Guests;
using Cutpoint.Nodes;
using Cutpoint.Workers.Nodes;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Cli.Commands;

/// <summary>A long-lived node: serves the guests of its machine to coordinators elsewhere, runs the jobs of a repository that have no process, or both.</summary>
internal static class NodeCommand
{
    /// <summary>The role in the registry of a node that runs jobs.</summary>
    public const string CoordinatorRole = "coordinator";

    private const string Verb = "node";

    public static Command Create()
    {
        var roles = Setting.Create(
            Verb, "roles", "What the node does: a 'worker' serves the guests of this machine, a 'coordinator' runs jobs of the repository that were submitted or whose process died",
            ParseRoles, "worker,coordinator", "worker");
        var listen = Setting.Create(
            Verb, "listen", "Where a worker listens for coordinators", NodeAddress.Parse, "HOST[:PORT]", $"127.0.0.1:{NodeAddress.DefaultPort}");
        var advertise = Setting.Create<NodeAddress?>(
            Verb, "advertise", "Where coordinators reach a worker [default: where it listens, or this machine's name when that is every address]", NodeAddress.Parse, "HOST[:PORT]");
        var name = Setting.Create<string?>(
            Verb, "name", "Name of the node in the registry; guests of a worker are named //NAME/GUEST-URI [default: the machine's name, of a mere coordinator with -coordinator]",
            ParseName, "NAME");
        var jobs = Setting.Create(Verb, "jobs", "Jobs a coordinator runs at once", Value.Positive, "N", "4");
        var command = new Verb(
            Verb, "Serve the guests of this machine to 'cutpoint take' on others, or run submitted and interrupted jobs, until it is told to end",
            """
            (umask 077; openssl rand -hex 32 > /etc/cutpoint/secret)
            cutpoint node --roles worker --listen 0.0.0.0 --secret-file /etc/cutpoint/secret
            cutpoint node --roles worker --listen 0.0.0.0 --secret-file /etc/cutpoint/secret --database postgres://cutpoint@db/cutpoint
            cutpoint node --roles coordinator --repository 'postgres://cutpoint@db/cutpoint?packs=/srv/packs' --secret-file /etc/cutpoint/secret
            cutpoint node ls --database postgres://cutpoint@db/cutpoint
            """) { roles, listen, advertise, name, jobs, CommonOptions.SecretFile, CommonOptions.Database, NodeRegistryCommand.CreateList(), NodeRegistryCommand.CreateLog() };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed,
            new NodeSettings(
                parsed.GetValue(roles), parsed.GetValue(listen)!, parsed.GetValue(advertise), parsed.GetValue(name), (int)parsed.GetValue(jobs), TakeCommand.Secret(parsed)),
            cancellation));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, NodeSettings settings, CancellationToken cancellation)
    {
        if (settings.Secret is null && settings.IsWorker)
        {
            throw new SnapshotException(
                ErrorCode.Usage, "the secret of the cluster's nodes is not named", "name its file with --secret-file, or set CUTPOINT_SECRET_FILE") { IsPreflight = true };
        }
        var time = TimeProvider.System;
        await TakeCommand.ThawAsync(time, cancellation);
        using var reference = new ReferenceDriver(time);
        IGuestDriver[] drivers = [new QemuDriver(new QemuSessionOptions(), time), reference];
        // The registry hears last of the end: until then others count on what this node still does.
        using var leaving = new CancellationTokenSource();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = new List<Task>();
        var registered = Task.CompletedTask;
        try
        {
            var address = "";
            if (settings.IsWorker)
            {
                var overlays = new OverlayUpkeep(new OverlayLedger(), time);
                foreach (var outcome in await overlays.FinishAsync(over.Token)) Note(outcome.ToString());
                var worker = await WorkerNode.ListenAsync(settings.Listen, drivers, overlays, settings.Secret!, Note, time, over.Token);
                running.Add(ServeAsync(worker, over.Token));
                address = settings.AdvertisedAs(worker.Address).ToString();
                Ready(parsed, worker);
            }
            if (settings.IsCoordinator) running.Add(await KeepAsync(parsed, settings, drivers, time, over.Token));
            if (ClusterDatabase.ConnectionOf(parsed) is { } connection) running.Add(registered = RegisterAsync(connection, settings.Describe(address), time, leaving.Token));
            // One that fails ends the others.
            await Task.WhenAny(running);
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(running.Where(task => task != registered)).ContinueWith(static _ => { }, TaskScheduler.Default);
            await leaving.CancelAsync();
            await Task.WhenAll(running);
        }
        return 0;
    }

    private static void Ready(ParseResult parsed, WorkerNode worker)
    {
        if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(new ListeningNode(worker.Address.ToString()), JsonOutput.Types.ListeningNode);
        else Console.Out.WriteLine($"listening on {worker.Address}");
    }

    private static async Task ServeAsync(WorkerNode worker, CancellationToken cancellation)
    {
        using (worker) await worker.RunAsync(cancellation);
    }

    /// <returns>When the repository is open: the keeper of its jobs, which runs until it is cancelled.</returns>
    private static async Task<Task> KeepAsync(
        ParseResult parsed, NodeSettings settings, IReadOnlyList<IGuestDriver> drivers, TimeProvider time, CancellationToken cancellation)
    {
        var repository = await RepositoryAccess.OpenOrCreateDefaultAsync(parsed, cancellation);
        var database = await JobDatabase.OpenAsync(repository, time, cancellation);
        (database as PostgresDatabase)?.Listen();
        var cluster = await ClusterDatabase.OpenAsync(parsed, repository, database, time, cancellation);
        Note($"looking after the jobs of {parsed.GetValue(CommonOptions.Repository)}");
        // Whatever ends this process does not end the job: another goes on with it.
        var take = new TakeJob(drivers, repository, database, cluster.Directory, settings.Secret, null, time);
        var keeper = new JobKeeper(
            repository, database, settings.Jobs, take.HindranceAsync, (job, token) => take.BeginAsync(job, token, ending: token), (job, token) => take.ResumeAsync(job, token, ending: token), Note, time);
        return RunAsync();

        async Task RunAsync()
        {
            await using (repository)
            await using (database)
            await using (cluster)
            {
                using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                var rounds = cluster.Registry is { } registry && settings.Secret is { } secret
                    ? new OverlayRounds(repository, database, registry, secret, Note, time).RunAsync(over.Token) : Task.CompletedTask;
                try
                {
                    await keeper.RunAsync(cancellation);
                }
                finally
                {
                    await over.CancelAsync();
                    await rounds;
                }
            }
        }
    }

    /// <summary>Keeps the node in the registry until it is to leave it.</summary>
    private static async Task RegisterAsync(string connection, NodeDescription node, TimeProvider time, CancellationToken leaving)
    {
        Database? database = null;
        try
        {
            await new NodeMembership(async token => database = await PostgresDatabase.OpenAsync(connection, time, token), node, Note, time).RunAsync(leaving);
        }
        finally
        {
            if (database is not null) await database.DisposeAsync();
        }
    }

    private static void Note(string line) => Console.Error.WriteLine($"cutpoint: {line}");

    private static NodeRoles ParseRoles(string text) =>
        text.Split(',').Select(Value.Choice<NodeRoles>).Aggregate((all, one) => all | one);

    /// <summary>A name stands where a host may stand.</summary>
    private static string ParseName(string text) => !text.Contains(':', StringComparison.Ordinal) && NodeAddress.Parse(text).Host == text
        ? text : throw new SnapshotException(ErrorCode.Usage, $"'{text}' cannot be a node's name", "choose one like a host's, without a port") { IsPreflight = true };
}

/// <summary>What a node prints when it is ready.</summary>
/// <param name="Listening">The address it listens on.</param>
internal sealed record ListeningNode(string Listening);
