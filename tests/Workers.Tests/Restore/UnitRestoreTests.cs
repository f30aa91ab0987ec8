using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Reference;
using Cutpoint.Workers.Restore;
using Cutpoint.Workers.Tests.Capture;

namespace Cutpoint.Workers.Tests.Restore;

public sealed class UnitRestoreTests
{
    [Fact]
    public async Task A_reference_guest_is_the_same_bit_for_bit_after_its_checkpoint_was_loaded()
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        var guest = driver.Guest(GuestUri.Parse("reference:a?ram=40MiB&cpus=2&seed=7"));
        await using var run = await CaptureRun.StartAsync(driver);
        var checkpoint = await run.TakeAsync("reference:a", new CaptureOptions { After = AfterCut.Stop });

        using var other = new ReferenceGuest("b", ReferenceOptions.Parse(GuestUri.Parse("reference:b?ram=40MiB&cpus=2&seed=8&paused")), TimeProvider.System);
        Assert.NotNull(other.FirstDifference(guest));
        await using var opened = await run.Repository.OpenCheckpointAsync(checkpoint, default);
        var percents = new List<int>();
        await UnitRestore.RunAsync(opened.Guest(null), other.Units, new LoadOptions { Progress = percents.Add }, default);
        Assert.Null(other.FirstDifference(guest));
        Assert.Equal((0, 100), (percents[0], percents[^1]));
    }

    [Fact]
    public async Task A_guest_with_less_memory_is_refused()
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        await using var run = await CaptureRun.StartAsync(driver);
        var checkpoint = await run.TakeAsync("reference:a?ram=16MiB");
        using var other = new ReferenceGuest("b", ReferenceOptions.Parse(GuestUri.Parse("reference:b?ram=8MiB&paused")), TimeProvider.System);
        await using var opened = await run.Repository.OpenCheckpointAsync(checkpoint, default);
        var refused = await Assert.ThrowsAsync<UnitException>(() => UnitRestore.RunAsync(opened.Guest(null), other.Units, new LoadOptions(), default));
        Assert.Equal((SavedStateStatus.LoadMemorySizeMismatch, ErrorCode.Incompatible), (refused.Status, refused.Code));
    }
}
