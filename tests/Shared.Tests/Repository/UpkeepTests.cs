using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class UpkeepTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", 3 << 20);

    [Fact]
    public async Task A_sound_repository_has_no_findings()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(50);
        var checkpoint = await model.TakeAsync(repository.Open);
        var report = await repository.VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal(new FileInfo(Assert.Single(repository.PackPaths)).Length, report.Bytes);
        Assert.Equal(1, report.Packs);
        Assert.Equal(1, report.Checkpoints);
        Assert.True((await repository.Open.VerifyAsync(new VerifyOptions { Checkpoints = [checkpoint] }, null, default)).IsSound);
        Assert.Empty(await repository.Open.ExamineAsync(default));
        Assert.Empty((await repository.Open.CollectGarbageAsync(false, default)).UnusedPacks);
        await repository.AssertHoldsAsync(checkpoint, model);
    }

    [Fact]
    public async Task A_lost_catalog_is_rebuilt_with_the_same_listing()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(2, Ram).Fill(50);
        await model.TakeAsync(
            repository.Open, new CheckpointOptions { Name = "one", Labels = new Dictionary<string, string> { ["k"] = "v" } });
        model.FillPage(0, 5);
        var second = await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 1 << 20 });
        var before = await repository.Open.ListAsync(default);
        await repository.CloseAsync();
        foreach (var path in Directory.GetFiles(repository.Location.Directory, "catalog.*")) File.Delete(path);
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await repository.ReopenAsync());
        Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        Assert.Contains("repair", error.Advice, StringComparison.Ordinal);

        var report = await repository.RepairAsync();
        Assert.Empty(report.Findings);
        Assert.Equivalent(before, await repository.Open.ListAsync(default), strict: true);
        await repository.AssertSoundAsync();
        await repository.AssertHoldsAsync(second, model);
    }

    [Fact]
    public async Task A_job_that_dies_before_its_commit_leaves_nothing_listed_and_gc_removes_the_rest()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, Ram).Fill(50);
        var kept = await model.TakeAsync(repository.Open);
        model.FillPage(0, 0);
        var dead = await repository.LeaveDeadJobAsync(model);
        Assert.Equal(kept.Id, Assert.Single(await repository.Open.ListAsync(default)).Id);
        var findings = await repository.Open.ExamineAsync(default);
        Assert.Equal(2, findings.Count);
        Assert.All(findings, finding => Assert.Equal(DoctorSeverity.Leftover, finding.Severity));
        Assert.All(findings, finding => Assert.Contains(dead.ToString(), finding.Message, StringComparison.Ordinal));

        var dry = await repository.Open.CollectGarbageAsync(dryRun: true, default);
        Assert.Equal(2, repository.PackPaths.Length);
        var real = await repository.Open.CollectGarbageAsync(dryRun: false, default);
        Assert.Equivalent(dry with { IsDryRun = false }, real);
        Assert.Equal(dead, Assert.Single(real.LeftoverPacks).Job);
        Assert.Equal(kept.Id.ToString(), Path.GetFileName(Assert.Single(repository.PackPaths))[..26]);
        Assert.Empty(await repository.Open.ExamineAsync(default));
        await repository.AssertSoundAsync();
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
}
