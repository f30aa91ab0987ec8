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
        await repository.LoseCatalogAsync();
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
}
