using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class CompactionTests : RepositorySuite
{
    internal static readonly RamBlock Ram = new("pc.ram", 24 << 20);

    [Fact]
    public async Task Packs_of_which_little_is_needed_are_rewritten_and_every_checkpoint_holds()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram).Fill(100);
        var last = await WithSparsePacksAsync(repository, model);
        var before = Octets(repository);
        var dry = await repository.Open.CollectGarbageAsync(dryRun: true, default);
        Assert.Equal(before, Octets(repository));
        var report = await repository.Open.CollectGarbageAsync(dryRun: false, default);
        Assert.NotEmpty(report.RewrittenPacks);
        Assert.Equal(dry.RewrittenPacks, report.RewrittenPacks);
        Assert.Equal(before - Octets(repository), report.Bytes);
        Assert.InRange(Octets(repository), 1, before / 2);
        await AssertWholeAsync(repository, last, model);
        // There is nothing left to do.
        Assert.Empty((await repository.Open.CollectGarbageAsync(false, default)).RewrittenPacks);
        Assert.Empty(await repository.Open.ExamineAsync(default));
        Assert.Empty((await repository.RepairAsync()).Findings);
        await AssertWholeAsync(repository, last, model);
    }

    [Fact]
    public async Task A_job_that_runs_keeps_what_it_builds_on()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, Ram).Fill(100);
        var last = await WithSparsePacksAsync(repository, model);
        CheckpointInfo next;
        await using (var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default))
        {
            GuestManifestBuilder guest;
            await using (var based = await repository.Open.OpenCheckpointAsync(last, default))
                guest = await writer.AddGuestAsync(model.Name, model.Blocks, based.Guest(null), default);
            guest.Description = model.Description;
            Assert.Empty((await repository.Open.CollectGarbageAsync(false, default)).RewrittenPacks);
            Assert.Contains(await repository.Open.ExamineAsync(default), finding => finding.Message.Contains("take by process", StringComparison.Ordinal));
            model.FillPage(0, 1);
            await writer.AppendAsync(guest, writer.Encode(model.Chunk(repository.Open, 0, (0, 2UL))), default);
            next = await writer.CommitAsync(default);
        }
        Assert.NotEmpty((await repository.Open.CollectGarbageAsync(false, default)).RewrittenPacks);
        await AssertWholeAsync(repository, next, model);
    }

    [Fact]
    public async Task What_is_committed_while_packs_are_copied_is_not_lost()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(4, Ram).Fill(100);
        var last = await WithSparsePacksAsync(repository, model);
        using var old = new GuestModel(4, Ram).Fill(100);
        CheckpointInfo? revived = null;
        var options = new GcOptions
        {
            // A guest whose contents are those nobody needs any more, found as equal sections in the packs under way.
            Step = step => revived ??= step == "flushed" ? old.TakeAsync(repository.Open).GetAwaiter().GetResult() : null,
        };
        var report = await repository.Open.CollectGarbageAsync(options, default);
        Assert.Empty(report.RewrittenPacks);
        await repository.AssertHoldsAsync(revived!, old);
        await AssertWholeAsync(repository, last, model);
    }

    [Fact]
    public async Task A_section_that_does_not_hold_stays_where_verify_finds_it()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(5, Ram).Fill(100);
        var last = await WithSparsePacksAsync(repository, model);
        var pack = repository.PackPaths[0];
        var octets = File.ReadAllBytes(pack);
        for (var at = 100_000; at < octets.Length; at += 100_000) octets[at] ^= 1;
        File.WriteAllBytes(pack, octets);
        await repository.Open.CollectGarbageAsync(false, default);
        Assert.True(File.Exists(pack));
        var report = await repository.VerifyAsync();
        Assert.Contains(report.Findings, finding => finding.Affected.Any(part => part.Checkpoint == last.Id));
    }

    [Fact]
    public async Task A_verification_of_what_is_new_reads_only_packs_that_were_not_found_sound()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(6, Ram).Fill(40);
        await model.TakeAsync(repository.Open);
        var news = new VerifyOptions { OnlyNew = true };
        Assert.Equal(1, (await repository.Open.VerifyAsync(news, null, default)).Packs);
        Assert.Equal(0, (await repository.Open.VerifyAsync(news, null, default)).Packs);
        model.FillPage(0, 0);
        await model.TakeAsync(repository.Open);
        var second = await repository.Open.VerifyAsync(news, null, default);
        Assert.Equal((1, 2, true), (second.Packs, second.Checkpoints, second.IsSound));
        // A pack that has gone since is told of though it is not read.
        var pack = repository.PackPaths[0];
        File.Move(pack, pack + "-away");
        Assert.False((await repository.Open.VerifyAsync(news, null, default)).IsSound);
        Assert.False((await repository.VerifyAsync()).IsSound);
        File.Move(pack + "-away", pack);
        Assert.True((await repository.Open.VerifyAsync(news, null, default)).IsSound);
        Assert.Equal(0, (await repository.Open.VerifyAsync(news, null, default)).Packs);
    }

    /// <summary>A checkpoint whose packs have no manifest and are three quarters dead, since the one it starts from was forgotten.</summary>
    internal static async Task<CheckpointInfo> WithSparsePacksAsync(TestRepository repository, GuestModel model)
    {
        var first = await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 11 << 20 });
        for (var extent = 0; extent < Ram.ExtentCount; extent++)
        {
            if (extent % (4 * Paging.ExtentsPerSection) < Paging.ExtentsPerSection) continue;
            for (var page = 0; page < Paging.PagesPerExtent; page++) model.ClearPage(0, (extent * Paging.PagesPerExtent) + page);
        }
        await using var based = await repository.Open.OpenCheckpointAsync(first, default);
        var second = await model.TakeAsync(repository.Open, based: based.Guest(null));
        await repository.Open.ForgetAsync(first.Id, default);
        return second;
    }

    internal static long Octets(TestRepository repository) => repository.PackPaths.Sum(path => new FileInfo(path).Length);

    private static async Task AssertWholeAsync(TestRepository repository, CheckpointInfo checkpoint, GuestModel model)
    {
        await repository.AssertHoldsAsync(checkpoint, model);
        await repository.AssertSoundAsync();
    }
}
