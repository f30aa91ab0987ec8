using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Restore;
using Cutpoint.Workers.Tests.Qemu;

namespace Cutpoint.Workers.Tests.Restore;

/// <summary>Checkpoints of real guests brought back into real QEMUs.</summary>
public sealed class RestoreTests
{
    [Theory]
    [InlineData("file", RestoreTransport.Auto)]
    [InlineData("file", RestoreTransport.Stream)]
    [InlineData("private", RestoreTransport.Auto)]
    [InlineData("private", RestoreTransport.Stream)]
    public async Task A_guest_goes_on_from_its_checkpoint_however_it_was_taken_and_is_restored(string ram, RestoreTransport transport)
    {
        await using var taken = await TakenToy.TakeAsync(ram == "file" ? TakenToy.FileRam : TakenToy.PrivateRam);
        await using var restored = await taken.LaunchAsync(taken.Options with { Transport = transport });
        Assert.Equal(transport == RestoreTransport.Stream ? RestoreTransport.Stream : RestoreTransport.Direct, restored.Restored.Transport);
        await restored.CheckItRunsOnAsync(taken.Counter);
    }

    [Fact]
    public async Task A_guest_that_was_paused_when_it_was_taken_stays_paused()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam, paused: true);
        await using var restored = await taken.LaunchAsync();
        Assert.Equal("paused", restored.Restored.Machine.Status.Name);
    }

    [Fact]
    public async Task A_guest_that_ran_stays_stopped_when_that_is_asked()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var restored = await taken.LaunchAsync(taken.Options with { Paused = true });
        Assert.Equal("paused", restored.Restored.Machine.Status.Name);
    }

    [Fact]
    public async Task Clones_of_one_checkpoint_share_its_RAM_files_and_do_not_see_each_other()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var first = await taken.LaunchAsync();
        await first.Guest.WaitUntilItCountsPastAsync(taken.Counter + 1);
        await using var second = await taken.LaunchAsync();
        Assert.Equal((false, true), (first.Restored.IsClone, second.Restored.IsClone));
        await second.CheckItRunsOnAsync(taken.Counter);
        await first.CheckItRunsOnAsync(taken.Counter);
        Assert.Single(Directory.GetFiles(taken.Repository.RunDirectory, "*.ram", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_guest_with_shared_memory_has_files_of_its_own_that_take_its_writes()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var restored = await taken.LaunchAsync(taken.Options with { SharedMemory = true });
        var file = Assert.Single(Directory.GetFiles(restored.Restored.Directory!, "*.ram"));
        var before = File.ReadAllBytes(file);
        await restored.CheckItRunsOnAsync(taken.Counter);
        Assert.NotEqual(before, File.ReadAllBytes(file));
    }

    [Fact]
    public async Task RAM_files_are_for_their_owner_and_have_holes_where_the_memory_is_zero()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var restored = await taken.LaunchAsync();
        var file = Directory.GetFiles(taken.Repository.RunDirectory, "*.ram", SearchOption.AllDirectories).Single();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        // The toy guest fills 2 of its 17 MiB.
        Assert.InRange(FileStatus.Of(file)!.Value.AllocatedOctets, 2L << 20, 8L << 20);
    }

    [Fact]
    public async Task A_QEMU_that_waits_takes_the_guest()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var waiting = ToyGuest.Launch(["-m", "17M", "-incoming", "defer"]);
        await waiting.UntilItListensAsync();
        var restored = (await taken.RestoreAsync(taken.Options with { Target = GuestUri.Parse($"qemu:{waiting.Socket}") })).Single();
        Assert.Equal((RestoreTransport.Stream, true), (restored.Transport, restored.Machine.Status.Running));
        await waiting.WaitUntilItCountsPastAsync(taken.Counter);
        Assert.Equal(0, await waiting.VerifyAsync());
        // It has no files here but the note where it comes from, and the lock of that.
        Assert.Equal(["lock", "owner.json"], Directory.GetFiles(taken.Runs.Single()).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_QEMU_that_does_not_fit_is_refused_and_nothing_is_left()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using var waiting = ToyGuest.Launch(["-m", "18M", "-incoming", "defer"]);
        await waiting.UntilItListensAsync();
        var refused = await Assert.ThrowsAsync<SnapshotException>(
            () => taken.RestoreAsync(taken.Options with { Target = GuestUri.Parse($"qemu:{waiting.Socket}") }));
        Assert.Equal((ErrorCode.Incompatible, true), (refused.Code, refused.IsPreflight));
        Assert.Empty(taken.Runs);
    }

    [Theory]
    [InlineData(RestoreTransport.Direct)]
    [InlineData(RestoreTransport.Stream)]
    public async Task A_damaged_checkpoint_is_not_restored_and_leaves_neither_QEMU_nor_files(RestoreTransport transport)
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        var pack = Directory.GetFiles(Path.Combine(taken.Repository.Directory, "packs")).Single();
        using (var file = File.OpenHandle(pack, FileMode.Open, FileAccess.ReadWrite))
        {
            // An octet in the middle of the first section's payload, which holds pages.
            var octet = new byte[1];
            RandomAccess.Read(file, octet, 40_000);
            octet[0] ^= 0x10;
            RandomAccess.Write(file, octet, 40_000);
        }
        var refused = await Assert.ThrowsAsync<SnapshotException>(() => taken.RestoreAsync(taken.Options with { Transport = transport }));
        Assert.Equal(ErrorCode.VerificationFailed, refused.Code);
        Assert.Contains("pack", refused.Message, StringComparison.Ordinal);
        Assert.Empty(taken.Runs);
        Assert.False(HasQemu(taken.Repository.Directory));
    }

    [Theory]
    [InlineData(RestoreTransport.Direct)]
    [InlineData(RestoreTransport.Stream)]
    public async Task A_restore_that_is_cancelled_leaves_neither_QEMU_nor_files(RestoreTransport transport)
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        foreach (var step in Enum.GetValues<RestoreStep>())
        {
            if (transport == RestoreTransport.Stream && step == RestoreStep.Devices) continue;
            using var cancel = new CancellationTokenSource();
            var progress = new Watch(at =>
            {
                if (at.Step == step) cancel.Cancel();
            });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RestoreJob.RunAsync(
                taken.Repository, taken.Options with { Transport = transport }, TimeProvider.System, progress, cancel.Token));
            Assert.DoesNotContain(taken.Runs, run => Ulid.TryParse(Path.GetFileName(run), out _));
            // It was killed; a busy host may take a moment to let it go.
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while (HasQemu(taken.Repository.Directory) && !patience.IsCancellationRequested) await Task.Yield();
            Assert.False(HasQemu(taken.Repository.Directory));
            RunFiles.Sweep(taken.Repository.Directory, dryRun: false);
            Assert.Empty(taken.Runs);
        }
    }

    [Fact]
    public async Task Files_are_swept_once_nobody_uses_them()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        var first = await taken.LaunchAsync();
        var second = await taken.LaunchAsync();
        Assert.Empty(RunFiles.Sweep(taken.Repository.Directory, dryRun: false));
        await first.DisposeAsync();
        Assert.Equal(first.Restored.Directory, RunFiles.Sweep(taken.Repository.Directory, dryRun: true).Single().Path);
        Assert.Equal(first.Restored.Directory, RunFiles.Sweep(taken.Repository.Directory, dryRun: false).Single().Path);
        await second.CheckItRunsOnAsync(taken.Counter);
        await second.DisposeAsync();
        var swept = RunFiles.Sweep(taken.Repository.Directory, dryRun: false);
        // The guest's directory, and the RAM files both had mapped.
        Assert.Equal(2, swept.Count);
        Assert.InRange(swept.Sum(run => run.Octets), 2L << 20, 8L << 20);
        Assert.Empty(taken.Runs);
    }

    [Fact]
    public async Task RAM_files_of_another_boot_are_made_again()
    {
        await using var taken = await TakenToy.TakeAsync(TakenToy.FileRam);
        await using (await taken.LaunchAsync())
        {
        }
        var mark = Directory.GetFiles(taken.Repository.RunDirectory, "complete", SearchOption.AllDirectories).Single();
        File.WriteAllBytes(Directory.GetFiles(Path.GetDirectoryName(mark)!, "*.ram").Single(), new byte[17 << 20]);
        File.WriteAllText(mark, "another boot");
        await using var restored = await taken.LaunchAsync();
        Assert.False(restored.Restored.IsClone);
        await restored.CheckItRunsOnAsync(taken.Counter);
    }

    private static bool HasQemu(string directory) => Directory.EnumerateDirectories("/proc").Any(process =>
    {
        try
        {
            var line = File.ReadAllText(Path.Combine(process, "cmdline"));
            return line.Contains("qemu-system", StringComparison.Ordinal) && line.Contains(directory, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // Not a process, or it ended between the listing and the look.
            return false;
        }
    });

    private sealed class Watch(Action<RestoreProgress> told) : IProgress<RestoreProgress>
    {
        public void Report(RestoreProgress value) => told(value);
    }
}
