using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Shared.Tests.Durability;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Repository;

[Collection(PostgresCollection.Name)]
public class PostgresCatalogTests(PostgresServer server) : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", 8 << 20);
    private static readonly CheckpointOptions Resumable = new() { IsResumable = true };

    protected override PostgresServer Server => server;

    [Fact]
    public async Task A_job_whose_lease_ran_out_is_taken_over_and_its_old_owner_changes_nothing_any_more()
    {
        // By its clock the old owner believes in its lease, as one does that was stopped.
        await using var repository = await CreateAsync(new ManualTime());
        await using var other = await OpenAsync(repository);
        using var model = new GuestModel(1, Ram).Fill(80);
        var late = await repository.Open.BeginAsync(Resumable, default);
        var lateGuest = await late.AddGuestAsync(model.Name, model.Blocks, default);
        lateGuest.Description = model.Description;
        await model.WriteAllAsync(repository.Open, late, lateGuest);
        await late.FlushAsync(default);
        var running = await Assert.ThrowsAsync<SnapshotException>(() => other.ResumeAsync(late.Id, Resumable, default));
        Assert.Equal((ErrorCode.Locked, true), (running.Code, running.Message.Contains($"process {Environment.ProcessId}", StringComparison.Ordinal)));

        await repository.ExecuteAsync("UPDATE job SET expires_at = 0");
        var writer = await other.ResumeAsync(late.Id, Resumable, default);
        Assert.InRange(writer.RecoveredBytes, 1 << 20, long.MaxValue);
        // The old owner wakes up and goes on, through the file it had open, and with files of its own.
        using var changed = new GuestModel(7, Ram).Fill(80);
        await changed.WriteAllAsync(repository.Open, late, lateGuest);
        await late.FlushAsync(default);
        var fenced = await Assert.ThrowsAsync<SnapshotException>(async () => await late.CommitAsync(default));
        Assert.Equal(ErrorCode.Locked, fenced.Code);
        await late.DisposeAsync();

        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        await model.WriteAllAsync(other, writer, guest);
        var taken = await writer.CommitAsync(default);
        Assert.Equal(0, taken.Guests[0].ReusedBytes);
        await writer.DisposeAsync();
        Assert.Equal(taken.Id, Assert.Single(await other.ListAsync(default)).Id);
        await repository.AssertHoldsAsync(taken, model);
        await repository.AssertSoundAsync();
        await other.CollectGarbageAsync(false, default);
        Assert.Empty(await other.ExamineAsync(default));
        await repository.AssertHoldsAsync(taken, model);
        Assert.Empty((await RepairAsync(repository, other)).Findings);
        await repository.AssertHoldsAsync(taken, model);
    }

    [Fact]
    public async Task A_job_that_is_ended_by_another_than_its_owner_is_removed_without_being_copied_first()
    {
        await using var repository = await CreateAsync(new ManualTime());
        await using var other = await OpenAsync(repository);
        using var model = new GuestModel(1, Ram).Fill(80);
        var late = await repository.Open.BeginAsync(Resumable, default);
        var guest = await late.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        await model.WriteAllAsync(repository.Open, late, guest);
        await late.FlushAsync(default);
        Assert.Equal(ErrorCode.Locked, (await Assert.ThrowsAsync<SnapshotException>(() => other.EndAsync(late.Id, default))).Code);
        await repository.ExecuteAsync("UPDATE job SET expires_at = 0");
        var packs = Path.Combine(repository.Location.Directory, "packs");
        var changes = System.Threading.Channels.Channel.CreateUnbounded<WatcherChangeTypes>();
        using var watcher = new FileSystemWatcher(packs);
        watcher.Created += (_, change) => changes.Writer.TryWrite(change.ChangeType);
        watcher.Deleted += (_, change) => changes.Writer.TryWrite(change.ChangeType);
        watcher.EnableRaisingEvents = true;

        Assert.False(await other.EndAsync(late.Id, default));

        Assert.Equal(WatcherChangeTypes.Deleted, await changes.Reader.ReadAsync());
        Assert.Empty(Directory.EnumerateFiles(packs));
        Assert.Empty(await other.ListJobsAsync(default));
        Assert.Equal(ErrorCode.Locked, (await Assert.ThrowsAsync<SnapshotException>(async () => await late.CommitAsync(default))).Code);
        await late.DisposeAsync();
        Assert.Equal(ErrorCode.NotFound, (await Assert.ThrowsAsync<SnapshotException>(() => other.EndAsync(late.Id, default))).Code);
    }

    [Fact]
    public async Task An_owner_learns_that_another_has_its_job_and_stops()
    {
        var time = new ManualTime();
        await using var repository = await CreateAsync(time);
        await using var writer = await repository.Open.BeginAsync(Resumable, default);
        await repository.ExecuteAsync("UPDATE job SET epoch = epoch + 1");
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(writer.Lost.WaitHandle.WaitOne(TimeSpan.FromMinutes(1)));
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await writer.AddGuestAsync("g", [Ram], default));
        Assert.Equal(ErrorCode.Locked, error.Code);
    }

    [Fact]
    public async Task An_owner_that_cannot_renew_its_lease_stops_before_others_may_take_it()
    {
        var time = new ManualTime();
        await using var repository = await CreateAsync(time);
        await using var writer = await repository.Open.BeginAsync(Resumable, default);
        await repository.ExecuteAsync("ALTER TABLE job RENAME TO away");
        time.Advance(LeasedJobs.Length - TimeSpan.FromSeconds(0.5));
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await writer.AddGuestAsync("g", [Ram], default));
        Assert.Equal(ErrorCode.Locked, error.Code);
        Assert.True(writer.Lost.IsCancellationRequested);
        await repository.ExecuteAsync("ALTER TABLE away RENAME TO job");
    }

    [Fact]
    public async Task A_collection_buries_a_job_that_died_and_a_late_commit_of_it_is_refused()
    {
        await using var repository = await CreateAsync(new ManualTime());
        using var model = new GuestModel(2, Ram).Fill(50);
        var late = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        var guest = await late.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        await model.WriteAllAsync(repository.Open, late, guest);
        await repository.ExecuteAsync("UPDATE job SET expires_at = 0");
        var report = await repository.Open.CollectGarbageAsync(false, default);
        Assert.Equal([late.Id], report.DeadJobs);
        Assert.Equal(ErrorCode.Locked, (await Assert.ThrowsAsync<SnapshotException>(async () => await late.CommitAsync(default))).Code);
        await late.DisposeAsync();
        Assert.Empty(await repository.Open.ListAsync(default));
        await repository.Open.CollectGarbageAsync(false, default);
        Assert.Empty(repository.PackPaths);
    }

    [Fact]
    public async Task A_checkpoint_is_taken_though_the_server_crashes_meanwhile()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, Ram).Fill(50);
        var first = await model.TakeAsync(repository.Open);
        await using var writer = await repository.Open.BeginAsync(Resumable, default);
        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        await server.CrashAsync();
        await model.WriteAllAsync(repository.Open, writer, guest);
        await server.CrashAsync();
        var second = await writer.CommitAsync(default);
        Assert.Equal(second.Guests[0].ContentBytes, second.Guests[0].ReusedBytes);
        Assert.Equal([first.Id, second.Id], (await repository.Open.ListAsync(default)).Select(one => one.Id));
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_commit_whose_answer_is_lost_is_looked_up()
    {
        using var directory = new TemporaryDirectory();
        var database = await server.CreateDatabaseAsync();
        await using var proxy = new LossyProxy(directory, server.SocketPath);
        var settings = new Npgsql.NpgsqlConnectionStringBuilder(database) { Host = directory };
        await using var repository = await TestRepository.CreateAsync(isEncrypted: IsEncrypted, database: settings.ConnectionString);
        using var model = new GuestModel(4, Ram).Fill(20);
        await using var writer = await repository.Open.BeginAsync(Resumable, default);
        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
        guest.Description = model.Description;
        await model.WriteAllAsync(repository.Open, writer, guest);
        proxy.LoseAnswerTo("COMMIT");
        var taken = await writer.CommitAsync(default);
        Assert.Equal(1, proxy.Losses);
        Assert.Equal(taken.Id, Assert.Single(await repository.Open.ListAsync(default)).Id);
        await repository.AssertHoldsAsync(taken, model);
    }

    [Fact]
    public async Task A_commit_that_the_server_ended_is_made_once_more()
    {
        await using var repository = await CreateAsync();
        await repository.ExecuteAsync(
            $$"""
            CREATE SEQUENCE once;
            CREATE FUNCTION cutpoint_catalog.die() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF nextval('cutpoint_catalog.once') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON {{(IsEncrypted ? "sealed" : "checkpoint")}} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cutpoint_catalog.die();
            """);
        using var model = new GuestModel(5, Ram).Fill(20);
        var taken = await model.TakeAsync(repository.Open);
        Assert.Equal(taken.Id, Assert.Single(await repository.Open.ListAsync(default)).Id);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task Who_repairs_is_alone_and_who_was_out_of_touch_meanwhile_writes_nothing()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(6, Ram).Fill(20);
        await model.TakeAsync(repository.Open);
        var used = await Assert.ThrowsAsync<SnapshotException>(() => DirectoryRepository.RepairAsync(repository.Location, TimeProvider.System, default));
        Assert.Equal(ErrorCode.Locked, used.Code);
        Assert.Contains($"cutpoint {Environment.ProcessId} on", used.Message, StringComparison.Ordinal);

        await repository.ExecuteAsync("UPDATE repository SET generation = generation + 1");
        var superseded = await Assert.ThrowsAsync<SnapshotException>(() => model.TakeAsync(repository.Open));
        Assert.Equal(ErrorCode.Locked, superseded.Code);
        await repository.ReopenAsync();
        await model.TakeAsync(repository.Open);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task Only_one_collection_runs_on_all_hosts()
    {
        await using var repository = await CreateAsync();
        await using var other = await OpenAsync(repository);
        using var model = new GuestModel(8, Ram).Fill(20);
        await model.TakeAsync(repository.Open);
        SnapshotException? refused = null;
        DoctorFinding? told = null;
        using var holder = PostgresCatalog.Open(repository.Location.Database!, repository.Open.Id, IsEncrypted, TimeProvider.System);
        using (new DatabaseLocks(holder).TakeCollection())
        {
            refused = await Assert.ThrowsAsync<SnapshotException>(() => other.CollectGarbageAsync(false, default));
            told = Assert.Single(await other.ExamineAsync(default));
        }
        Assert.Equal(ErrorCode.Locked, refused.Code);
        Assert.Contains($"cutpoint {Environment.ProcessId} on", told.Message, StringComparison.Ordinal);
        await other.CollectGarbageAsync(false, default);
    }

    [Fact]
    public async Task Directory_and_database_that_do_not_belong_together_are_refused()
    {
        await using var one = await CreateAsync();
        await using var two = await CreateAsync();
        await using var plain = await TestRepository.CreateAsync();
        var (database, directory) = (one.Location.ToString(), two.Location.Directory);
        var crossed = RepositoryLocation.Parse($"{database[..database.IndexOf('?', StringComparison.Ordinal)]}?packs={directory}") with { Key = two.Key };
        Assert.Contains(two.Open.Id.ToString(), (await FailAsync(crossed, ErrorCode.Usage)).Message, StringComparison.Ordinal);
        Assert.Contains($"?packs={directory}", (await FailAsync(RepositoryLocation.Parse(directory), ErrorCode.Usage)).Advice, StringComparison.Ordinal);
        var mistaken = RepositoryLocation.Parse($"{database[..database.IndexOf('?', StringComparison.Ordinal)]}?packs={plain.Location.Directory}");
        Assert.Contains(plain.Location.Directory, (await FailAsync(mistaken, ErrorCode.Usage)).Advice, StringComparison.Ordinal);
        var taken = RepositoryLocation.Parse($"{database[..database.IndexOf('?', StringComparison.Ordinal)]}?packs={directory}-new");
        var refused = await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.InitAsync(taken, TimeProvider.System, default));
        Assert.Equal((ErrorCode.Usage, true), (refused.Code, refused.Message.Contains(one.Open.Id.ToString(), StringComparison.Ordinal)));
        Assert.False(File.Exists(Path.Combine(taken.Directory, "repository")));
    }

    [Fact]
    public async Task A_server_that_is_not_there_and_one_that_refuses_are_told_in_one_line_each()
    {
        await using var repository = await CreateAsync();
        var directory = repository.Location.Directory;
        var away = await FailAsync(At($"postgres://x@127.0.0.1:1/y?packs={directory}"), ErrorCode.Failed);
        Assert.True(away.IsTransient);
        Assert.Contains("127.0.0.1:1", away.Message, StringComparison.Ordinal);
        var guarded = repository.Location.ToString().Replace("cutpoint@", $"{PostgresServer.Guarded}@", StringComparison.Ordinal);
        await FailAsync(At(guarded), ErrorCode.NotAuthorised);
        var wrong = await FailAsync(At(guarded.Replace("@", ":falsch@", StringComparison.Ordinal)), ErrorCode.NotAuthorised);
        Assert.DoesNotContain("falsch", wrong.Message, StringComparison.Ordinal);
        await FailAsync(At(new System.Text.RegularExpressions.Regex("/test").Replace(repository.Location.ToString(), "/never", 1)), ErrorCode.NotFound);
        var right = At(guarded.Replace("@", $":{PostgresServer.Password}@", StringComparison.Ordinal));
        await using var open = await DirectoryRepository.OpenAsync(right, TimeProvider.System, default);
        Assert.Equal(repository.Open.Id, open.Id);
    
        RepositoryLocation At(string text) => RepositoryLocation.Parse(text) with { Key = repository.Key };
    }

    private static async Task<DirectoryRepository> OpenAsync(TestRepository repository) =>
        await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);

    private static async Task<RepairReport> RepairAsync(TestRepository repository, DirectoryRepository other)
    {
        await other.DisposeAsync();
        return await repository.RepairAsync();
    }

    private static async Task<SnapshotException> FailAsync(RepositoryLocation location, ErrorCode code)
    {
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.OpenAsync(location, TimeProvider.System, default));
        Assert.Equal(code, error.Code);
        return error;
    }
}
