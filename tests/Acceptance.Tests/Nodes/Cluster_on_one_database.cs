using System.Text.Json.Nodes;
using Cutpoint.Shared.Tests.Durability;
using Cutpoint.TestGuests;
using Npgsql;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>
/// Workers and coordinators, each a process of its own, that know each other by one PostgreSQL database: what is submitted there is taken, whoever of them dies, hangs or
/// is asked to end, and also when the database itself is away for a while.
/// </summary>
public sealed class Cluster_on_one_database(PostgresServer server) : BadDays.BadDay, IClassFixture<PostgresServer>, IAsyncLifetime
{
    private const int SigInt = 2, SigKill = 9, SigTerm = 15, SigCont = 18, SigStop = 19;
    private const string Slow = "zstd:15";
    private const string Large = "?ram=256MiB&dirty=1000";

    private readonly List<NodeProcess> _nodes = [];
    private string _database = "";

    private string SecretFile => Directory.File("secret");

    public async Task InitializeAsync()
    {
        File.WriteAllText(SecretFile, Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(SecretFile, UnixFileMode.UserRead);
        _database = await server.CreateDatabaseAsync();
        Cutpoint = new CutpointProgram($"{server.Url(_database)}?packs={Directory.File("packs")}", Directory.File("state"));
        await InitAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
    }

    [Fact]
    public async Task Real_guests_of_two_nodes_are_submitted_by_name_and_taken_at_one_cut()
    {
        var options = new GuestOptions { RamKiB = 98312, ArenaMiB = 8 };
        var guests = await Task.WhenAll(
            Guest.BootAsync(options, Directory.File("g1"), Cancellation), Guest.BootAsync(options with { Ram = GuestRam.Private }, Directory.File("g2"), Cancellation));
        await using var first = guests[0];
        await using var second = guests[1];
        await Task.WhenAll(StartWorkerAsync("one"), StartWorkerAsync("two"), StartCoordinatorAsync("c1"), StartCoordinatorAsync("c2"));
        var nodes = (await Cutpoint.QueryAsync(Cancellation, "node", "ls"))["nodes"]!.AsArray();
        Assert.Equal(["c1", "c2", "one", "two"], nodes.Select(node => (string)node!["name"]!));
        Assert.All(nodes, node => Assert.True((bool)node!["isAlive"]!));

        var taken = await Cutpoint.QueryAsync(Cancellation, "take", $"//one/{first.Uri}", $"//two/{second.Uri}", "--name", "both", "--freeze-limit", "20s", "--submit");

        Assert.Equal("both", (string?)taken["name"]);
        Assert.Equal(["direct", "stream"], taken["guests"]!.AsArray().Select(guest => (string)guest!["transport"]!));
        IsOneCut(taken);
        foreach (var guest in guests)
        {
            Assert.Equal("running", await guest.StatusAsync(Cancellation));
            await guest.Serial.WaitForCountsAsync(guest.Serial.Counts.Count + 2, Cancellation);
            Assert.Empty(guest.Serial.Complaints);
        }
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        IsOneClearLine(await RunAsync("take", first.Uri, "--submit"), 2, "names no node");
        IsOneClearLine(await RunAsync("take", "//c1/reference:a", "--submit"), 2, "serves no guests");
    }

    [Fact]
    public async Task What_nobody_can_begin_waits_and_says_so_and_can_be_listed_watched_and_cancelled()
    {
        await StartWorkerAsync("one");
        var detached = await RunAsync("take", "//one/reference:a", "--detach", "--json");
        Assert.Equal(0, detached.ExitCode);
        Assert.Contains("no coordinator is registered", detached.Error, StringComparison.Ordinal);
        var job = (string)JsonNode.Parse(detached.Output)!["id"]!;
        var listed = Assert.Single((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray())!;
        Assert.Equal((job, "Planned"), ((string)listed["id"]!, (string)listed["phase"]!));
        var watched = Cutpoint.Start("watch", job);

        Assert.Equal(0, (await RunAsync("cancel", job)).ExitCode);

        Assert.Equal(130, (await CutpointProgram.FinishAsync(watched, Cancellation)).ExitCode);
        await using var take = StartTake("one", "one");
        Assert.True(await take.ReachAsync("Planned", Cancellation));
        take.Signal(SigInt);
        Assert.Equal(130, (await take.EndAsync(Cancellation)).ExitCode);
        Assert.Empty((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray());
    }

    [Fact]
    public async Task A_job_that_runs_is_watched_and_cancelled_from_elsewhere_and_its_take_is_told()
    {
        await Task.WhenAll(StartWorkerAsync("one"), StartWorkerAsync("two"), StartCoordinatorAsync("c1"));
        await using var take = StartTake("one", "two", codec: Slow);
        Assert.True(await take.ReachAsync("Preflight", Cancellation));
        var job = await RunningJobAsync();
        var watched = Cutpoint.Start("watch", job);

        Assert.Equal(0, (await RunAsync("cancel", job)).ExitCode);

        Assert.Equal(130, (await take.EndAsync(Cancellation)).ExitCode);
        Assert.Equal(130, (await CutpointProgram.FinishAsync(watched, Cancellation)).ExitCode);
        await NothingIsLeftAsync();
        await using var again = StartTake("one", "two", codec: Slow);
        Assert.True(await again.ReachAsync("Live", Cancellation));
        again.Signal(SigInt);
        Assert.Equal(130, (await again.EndAsync(Cancellation)).ExitCode);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Coordinators_that_are_killed_stopped_or_asked_to_end_leave_their_jobs_to_another_and_a_late_one_is_fenced_out()
    {
        await Task.WhenAll(StartWorkerAsync("one"), StartWorkerAsync("two"));
        var coordinators = await Task.WhenAll(Enumerable.Range(0, 3).Select(number => StartCoordinatorAsync($"c{number}", "--jobs", "1")));
        List<RunningTake> takes = [];
        await using (await HoldPassesAsync())
        {
            takes.AddRange(Enumerable.Range(0, 3).Select(number => StartTake("one", "two", $"{number}")));
            foreach (var take in takes) Assert.True(await take.ReachAsync("Live", Cancellation));
            coordinators[0].Signal(SigKill);
            coordinators[1].Signal(SigStop);
            coordinators[2].Signal(SigTerm);
        }
        Assert.Equal(0, await coordinators[2].EndAsync(Cancellation));
        // In order means at once: nobody waits for a lease to run out.
        Assert.Contains((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray(), job => (string?)job!["phase"] == "Interrupted");
        await StartCoordinatorAsync("c3");
        foreach (var take in takes) await IsTakenAsync(take);
        coordinators[1].Signal(SigCont);
        // It begins the job, and then finds that it is another's.
        while (coordinators[1].Notes.Split("job ").Length < 3) await Task.Delay(50, Cancellation);

        Assert.DoesNotContain("its checkpoint is there", coordinators[1].Notes, StringComparison.Ordinal);
        Assert.Equal(3, (await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray().Count);
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        foreach (var take in takes) await take.DisposeAsync();
    }

    [Fact]
    public async Task Coordinators_that_are_killed_at_random_moments_leave_whole_checkpoints_to_others()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await Task.WhenAll(StartWorkerAsync("one"), StartWorkerAsync("two"));
        var coordinators = await Task.WhenAll(Enumerable.Range(0, 3).Select(number => StartCoordinatorAsync($"c{number}", "--jobs", "1")));
        var takes = Enumerable.Range(0, 3).Select(number => StartTake("one", "two", $"{number}")).ToList();
        foreach (var take in takes) Assert.True(await take.ReachAsync("Preflight", Cancellation));
        await Task.WhenAll(coordinators.Select(async coordinator =>
        {
            await Task.Delay(random.Next(1000), Cancellation);
            coordinator.Signal(SigKill);
        }));

        await StartCoordinatorAsync("c3");

        foreach (var take in takes) await IsTakenAsync(take);
        var listed = await Cutpoint.QueryAsync(Cancellation, "list");
        Assert.True(listed["checkpoints"]!.AsArray().Count == 3, $"seed {seed}: {listed}");
        Assert.Empty(listed["jobs"]!.AsArray());
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        foreach (var take in takes) await take.DisposeAsync();
    }

    [Fact]
    public async Task Workers_that_are_killed_at_random_moments_and_come_back_cost_no_job_and_leave_nothing_half()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await Task.WhenAll(StartWorkerAsync("one"), StartCoordinatorAsync("c1"), StartCoordinatorAsync("c2"));
        for (var round = 0; round < 2; round++)
        {
            var victim = await StartWorkerAsync($"two-{round}");
            await using var take = StartTake("one", $"two-{round}");
            Assert.True(await take.ReachAsync("Live", Cancellation));
            await Task.Delay(random.Next(800), Cancellation);
            victim.Signal(SigKill);
            await victim.EndAsync(Cancellation);
            // Once where it was, once at another address under its old name.
            if (round == 0) await StartAgainAsync($"two-{round}", victim);
            else await StartWorkerAsync($"two-{round}");

            await IsTakenAsync(take);
            var listed = await Cutpoint.QueryAsync(Cancellation, "list");
            Assert.True(listed["checkpoints"]!.AsArray().Count == round + 1 && listed["jobs"]!.AsArray().Count == 0, $"seed {seed}: {listed}");
        }
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
    }

    [Fact]
    public async Task A_coordinator_without_the_secret_leaves_jobs_of_workers_to_others_and_says_so_once()
    {
        await StartWorkerAsync("one");
        var without = await RegisteredAsync(NodeProcess.StartCoordinator(new CutpointProgram(Cutpoint.Repository, Directory.File("c0")), null, "--name", "c0"));
        await using var take = RunningTake.Start(Cutpoint, "//one/reference:a", "--submit");
        await without.HearAsync("is left to another coordinator", Cancellation);

        await StartCoordinatorAsync("c1");

        await IsTakenAsync(take);
        Assert.Equal(2, without.Notes.Split("is left to another coordinator").Length);
    }

    [Fact]
    public async Task Journals_that_cannot_be_read_keep_no_coordinator_from_other_jobs_and_are_told_of_by_list_and_doctor_until_cancelled()
    {
        await StartWorkerAsync("one");
        var damaged = (string)(await Cutpoint.QueryAsync(Cancellation, "take", "//one/reference:a", "--detach"))["id"]!;
        var newer = (string)(await Cutpoint.QueryAsync(Cancellation, "take", "//one/reference:b", "--detach"))["id"]!;
        await PostgresServer.ExecuteAsync(_database, $"UPDATE cutpoint.event SET payload = left(payload, 40) WHERE persistence_id = 'job/{damaged}'");
        await PostgresServer.ExecuteAsync(_database, $"UPDATE cutpoint.event SET manifest = 'job-foreseen' WHERE persistence_id = 'job/{newer}'");
        var coordinator = await StartCoordinatorAsync("c1");

        await using var take = RunningTake.Start(Cutpoint, "//one/reference:c", "--submit");

        await IsTakenAsync(take);
        Assert.Equal(3, coordinator.Notes.Split("is left alone").Length);
        var listed = (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray();
        Assert.Equal([damaged, newer], listed.Select(job => (string)job!["id"]!));
        Assert.Equal(["VerificationFailed", "Incompatible"], listed.Select(job => (string)job!["problem"]!["code"]!));
        var found = await RunAsync("doctor");
        Assert.Equal(5, found.ExitCode);
        Assert.Contains($"damage: job {damaged}", found.Output, StringComparison.Ordinal);
        Assert.Contains($"note: job {newer}", found.Output, StringComparison.Ordinal);
        foreach (var job in (string[])[damaged, newer]) Assert.Equal(0, (await RunAsync("cancel", job)).ExitCode);
        Assert.Empty((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray());
        Assert.Equal(0, (await RunAsync("doctor")).ExitCode);
    }

    [Fact]
    public async Task What_is_forgotten_is_merged_on_the_hosts_of_its_guests_without_another_job()
    {
        await Task.WhenAll(StartWorkerAsync("one"), StartCoordinatorAsync("c1"));
        var disk = await NumberedDisk.CreateAsync(Directory.File("disks"), "raw", Cancellation);
        await using var guest = await BootAsync(new GuestOptions { RamKiB = 98312, ArenaMiB = 4, Numbers = disk.Drive });
        await Cutpoint.QueryAsync(Cancellation, "take", $"//one/{guest.Uri}", "--submit");
        Assert.Equal(2, await NumberedDisk.DepthAsync(guest, Cancellation));

        await Cutpoint.QueryAsync(Cancellation, "forget", "latest");

        while (disk.Overlays().Count > 0) await Task.Delay(50, Cancellation);
        Assert.Equal(1, await NumberedDisk.DepthAsync(guest, Cancellation));
        await guest.Serial.WaitForBlocksAsync(guest.Serial.Blocks[^1] + 2, Cancellation);
        Assert.Empty(guest.Serial.Complaints);
    }

    [Fact]
    public async Task A_database_that_restarts_in_the_middle_of_a_job_ends_neither_the_job_nor_a_node()
    {
        await Task.WhenAll(StartWorkerAsync("one"), StartWorkerAsync("two"), StartCoordinatorAsync("c1"));
        await using var take = StartTake("one", "two");
        Assert.True(await take.ReachAsync("Live", Cancellation));

        await server.StopAsync();
        await Task.Delay(500, Cancellation);
        await server.StartAsync();

        await IsTakenAsync(take);
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        // As soon as each has told the database that it is there.
        while ((await Cutpoint.QueryAsync(Cancellation, "node", "ls"))["nodes"]!.AsArray().Count(node => (bool)node!["isAlive"]!) < 3) await Task.Delay(100, Cancellation);
    }

    private async Task<NodeProcess> StartWorkerAsync(string name) =>
        await RegisteredAsync(await NodeProcess.StartWorkerAsync(Directory.File(name), SecretFile, Cancellation, Registered(name)));

    /// <summary>It serves before its name is free again.</summary>
    private async Task StartAgainAsync(string name, NodeProcess killed)
    {
        var node = await NodeProcess.StartAgainAsync(killed, Directory.File(name), SecretFile, Cancellation, Registered(name));
        lock (_nodes) _nodes.Add(node);
    }

    private string[] Registered(string name) => ["--name", name, "--database", server.Url(_database)];

    private Task<NodeProcess> StartCoordinatorAsync(string name, params string[] more) =>
        RegisteredAsync(NodeProcess.StartCoordinator(new CutpointProgram(Cutpoint.Repository, Directory.File(name)), SecretFile, ["--name", name, .. more]));

    private async Task<NodeProcess> RegisteredAsync(NodeProcess node)
    {
        lock (_nodes) _nodes.Add(node);
        await node.HearAsync("registered as", Cancellation);
        return node;
    }

    private RunningTake StartTake(string one, string two, string guest = "", string codec = "zstd") =>
        RunningTake.Start(Cutpoint, $"//{one}/reference:a{guest}{Large}", $"//{two}/reference:b{guest}{Large}", "--submit", "--codec", codec);

    /// <summary>No job of the repository gets beyond its first pass before this is disposed: what tells of its end is not written.</summary>
    private async Task<NpgsqlConnection> HoldPassesAsync()
    {
        var connection = new NpgsqlConnection($"{_database};Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = connection.CreateCommand();
        command.CommandText = """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END';
            CREATE TRIGGER hold BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.manifest = 'pass-ended') EXECUTE FUNCTION hold();
            SELECT pg_advisory_lock(1);
            """;
        await command.ExecuteNonQueryAsync(Cancellation);
        return connection;
    }

    private async Task<string> RunningJobAsync() => (string)Assert.Single((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray())!["id"]!;

    private async Task IsTakenAsync(RunningTake take)
    {
        var ended = await take.EndAsync(Cancellation);
        Assert.True(ended.ExitCode == 0, $"exit {ended.ExitCode}: {ended.Output}{ended.Error}; {string.Join("\n", _nodes.Select(node => node.Notes))}");
        IsOneCut(JsonNode.Parse(ended.Output)!);
    }

    private async Task NothingIsLeftAsync()
    {
        var listed = await Cutpoint.QueryAsync(Cancellation, "list");
        Assert.Empty(listed["checkpoints"]!.AsArray());
        Assert.Empty(listed["jobs"]!.AsArray());
        Assert.Empty(System.IO.Directory.EnumerateFiles(Path.Combine(Directory.File("packs"), "packs")));
    }

    private static void IsOneCut(JsonNode taken)
    {
        var cuts = taken["guests"]!.AsArray().Select(guest => guest!["cut"]!).ToList();
        Assert.True(cuts.Max(cut => (DateTimeOffset)cut["stoppedAt"]!) < cuts.Min(cut => (DateTimeOffset)cut["thawedAt"]!), taken.ToJsonString());
        Assert.All(cuts, cut => Assert.True((bool)cut["heldUntilRelease"]!));
    }
}
