using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>What holds for catalogs and locks that are files.</summary>
public class FileCatalogTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", 70 * Paging.PageSize);

    [Fact]
    public async Task A_power_cut_between_commit_record_and_catalog_leaves_a_whole_checkpoint_to_a_repair_and_none_to_a_listing()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(7, Ram).Fill(30);
        await model.TakeAsync(repository.Open);
        await repository.CloseAsync();
        var catalog = await File.ReadAllBytesAsync(repository.Catalog);
        await repository.ReopenAsync();
        model.FillPage(0, 1);
        var second = await model.TakeAsync(repository.Open);
        await repository.CloseAsync();
        await File.WriteAllBytesAsync(repository.Catalog, catalog);
        await repository.ReopenAsync();
        Assert.DoesNotContain(await repository.Open.ListAsync(default), one => one.Id == second.Id);
        await repository.AssertSoundAsync();
        await repository.RepairAsync();
        Assert.Contains(await repository.Open.ListAsync(default), one => one.Id == second.Id);
        await repository.AssertHoldsAsync(second, model);
    }

    [Fact]
    public async Task Two_collections_do_not_run_at_once_and_a_repair_waits_for_nobody()
    {
        await using var repository = await CreateAsync();
        var paths = new RepositoryPaths(repository.Location.Directory, IsEncrypted);
        using (RepositoryLock.Take(paths.CollectionLock, "gc", "busy", TimeProvider.System))
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(() => repository.Open.CollectGarbageAsync(false, default));
            Assert.Equal(ErrorCode.Locked, error.Code);
            Assert.Contains($"gc by process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        }
        await repository.Open.CollectGarbageAsync(false, default);
        var used = await Assert.ThrowsAsync<SnapshotException>(
            () => DirectoryRepository.RepairAsync(repository.Location, TimeProvider.System, default));
        Assert.Equal(ErrorCode.Locked, used.Code);
        await repository.CloseAsync();
        using (RepositoryLock.Take(paths.UseLock, "repair", "the repository is being repaired", TimeProvider.System))
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(
                async () => await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default));
            Assert.Equal(ErrorCode.Locked, error.Code);
            Assert.Contains("repair by process", error.Message, StringComparison.Ordinal);
        }
        await repository.ReopenAsync();
    }

    [Fact]
    public async Task The_lock_of_a_collection_that_was_killed_is_found_with_its_owner_and_age_and_locks_nobody_out()
    {
        await using var repository = await CreateAsync();
        var path = Path.Combine(repository.Location.Directory, "gc.lock");
        var killed = new JobOwner("elsewhere", 4711, DateTimeOffset.UtcNow - TimeSpan.FromDays(3), "gc");
        using (RepositoryLock.Take(path, "gc", "", TimeProvider.System))
        {
            var held = Assert.Single(await repository.Open.ExamineAsync(default));
            Assert.Equal(DoctorSeverity.Note, held.Severity);
            Assert.Contains($"gc by process {Environment.ProcessId}", held.Message, StringComparison.Ordinal);
        }
        await File.WriteAllTextAsync(path + ".owner.json", System.Text.Json.JsonSerializer.Serialize(killed, RepositoryJson.Default.JobOwner));
        var found = Assert.Single(await repository.Open.ExamineAsync(default));
        Assert.Equal(DoctorSeverity.Leftover, found.Severity);
        Assert.Contains("gc by process 4711 on elsewhere", found.Message, StringComparison.Ordinal);
        Assert.Contains("3 days ago", found.Message, StringComparison.Ordinal);
        await repository.Open.CollectGarbageAsync(false, default);
        Assert.Empty(await repository.Open.ExamineAsync(default));
    }

    [Theory]
    [InlineData("DELETE FROM section WHERE rowid_hack")]
    [InlineData("UPDATE section SET offset = offset + 1")]
    [InlineData("UPDATE section SET length = length + 1")]
    [InlineData("UPDATE pack SET length = length - 1")]
    [InlineData("UPDATE guest SET offset = offset + 1")]
    [InlineData("UPDATE guest SET root = randomblob(32)")]
    [InlineData("UPDATE guest SET logical = logical + 1")]
    [InlineData("UPDATE guest SET name = 'other'")]
    [InlineData("UPDATE checkpoint SET root = randomblob(32)")]
    [InlineData("UPDATE checkpoint SET root = x'00'")]
    [InlineData("UPDATE checkpoint SET name = 'other'")]
    [InlineData("UPDATE checkpoint SET created = created + 1")]
    [InlineData("UPDATE checkpoint SET created = -5")]
    [InlineData("UPDATE checkpoint SET id = 'X'")]
    [InlineData("UPDATE pack SET name = 'X'")]
    [InlineData("UPDATE label SET value = 'w'")]
    [InlineData("DELETE FROM guest")]
    [InlineData("DELETE FROM checkpoint_pack")]
    public async Task A_catalog_that_contradicts_the_packs_is_found_and_rebuilt(string damage)
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(9, Ram).Fill(40);
        await model.TakeAsync(
            repository.Open, new CheckpointOptions { Name = "n", Labels = new Dictionary<string, string> { ["k"] = "v" } });
        var before = await repository.Open.ListAsync(default);
        await repository.CloseAsync();
        using (var connection = SqliteCatalog.Open(repository.Catalog, repository.DataKey))
        {
            connection.Execute("PRAGMA foreign_keys = OFF");
            connection.Write(
                () => connection.Execute(
                    damage.Replace("WHERE rowid_hack", "WHERE identity IN (SELECT identity FROM section LIMIT 1)", StringComparison.Ordinal)),
                isDurable: false);
        }
        await repository.ReopenAsync();
        try
        {
            Assert.False((await repository.VerifyAsync()).IsSound);
        }
        catch (SnapshotException error)
        {
            Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        }
        Assert.Empty((await repository.RepairAsync()).Findings);
        Assert.Equivalent(before, await repository.Open.ListAsync(default), strict: true);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_catalog_file_with_damaged_octets_gives_typed_errors_only_and_is_rebuilt()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(10, Ram).Fill(40);
        await model.TakeAsync(repository.Open);
        var before = await repository.Open.ListAsync(default);
        await repository.CloseAsync();
        var octets = await File.ReadAllBytesAsync(repository.Catalog);
        var random = new Random(11);
        for (var round = 0; round < 60; round++)
        {
            var damaged = (byte[])octets.Clone();
            if (round % 3 == 0) damaged = damaged[..random.Next(damaged.Length)];
            else for (var hit = 0; hit < 20 && damaged.Length > 0; hit++)
                damaged[random.Next(round % 3 == 1 ? 4096 : damaged.Length)] ^= (byte)random.Next(1, 256);
            await File.WriteAllBytesAsync(repository.Catalog, damaged);
            try
            {
                await using var open = await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default);
                foreach (var checkpoint in await open.ListAsync(default))
                    await (await open.OpenCheckpointAsync(checkpoint, default)).DisposeAsync();
                await open.VerifyAsync(new VerifyOptions(), null, default);
                await open.ExamineAsync(default);
            }
            catch (SnapshotException)
            {
                // Any other exception fails the test.
            }
            foreach (var log in Directory.GetFiles(repository.Location.Directory, "catalog.db-*")) File.Delete(log);
        }
        await repository.RepairAsync();
        Assert.Equivalent(before, await repository.Open.ListAsync(default), strict: true);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_collection_that_dies_at_any_step_loses_nothing_and_the_next_one_ends_its_work()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(2, CompactionTests.Ram).Fill(100);
        var last = await CompactionTests.WithSparsePacksAsync(repository, model);
        using var copies = new TemporaryDirectory();
        var steps = new List<string>();
        var options = new GcOptions
        {
            // What is on the disk at this moment is what a killed process leaves.
            Step = step =>
            {
                steps.Add(step);
                Copy(repository.Location.Directory, copies.File($"{steps.Count}"));
            },
        };
        var clean = await repository.Open.CollectGarbageAsync(options, default);
        Assert.NotEmpty(clean.RewrittenPacks);
        Assert.Equal(["created", "copied", "flushed", "swapped", "removed"], steps.Distinct());
        var end = CompactionTests.Octets(repository);
        for (var number = 1; number <= steps.Count; number++)
        {
            var location = RepositoryLocation.Parse(copies.File($"{number}")) with { Key = repository.Key };
            await using var left = await DirectoryRepository.OpenAsync(location, TimeProvider.System, default);
            await AssertHoldsAsync(left, last, model);
            await left.CollectGarbageAsync(false, default);
            await AssertHoldsAsync(left, last, model);
            Assert.Empty((await left.VerifyAsync(new VerifyOptions(), null, default)).Findings);
            Assert.Empty(await left.ExamineAsync(default));
            Assert.Equal(end, Directory.GetFiles(Path.Combine(location.Directory, "packs")).Sum(path => new FileInfo(path).Length));
        }
    }

    private static async Task AssertHoldsAsync(DirectoryRepository repository, CheckpointInfo checkpoint, GuestModel model)
    {
        await using var reader = await repository.OpenCheckpointAsync(checkpoint, default);
        await model.AssertEqualAsync(reader.Guest(model.Name));
    }

    private static void Copy(string from, string to)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(to, Private);
        foreach (var directory in Directory.GetDirectories(from, "*", SearchOption.AllDirectories)) Directory.CreateDirectory(to + directory[from.Length..], Private);
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            // A file locked by this process cannot be copied by name while others may not read it.
            var target = to + file[from.Length..];
            if (Path.GetFileName(file) is "lock" or "gc.lock") File.Create(target).Dispose();
            else File.Copy(file, target);
        }
    }
}
