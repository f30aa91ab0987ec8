using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

public sealed class Guest_that_fails : BadDay
{
    // Incompressible work: the slowest codec makes the first pass last long enough to meet it.
    private static readonly string[] Slowly = ["--codec", "zstd:19"];

    [Theory]
    [InlineData(GuestRam.File)]
    [InlineData(GuestRam.Private)]
    public async Task Dies_in_the_first_pass(GuestRam ram)
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions { Ram = ram });
        await using var take = RunningTake.Start(Cutpoint, [guest.Uri, .. Slowly]);
        Assert.True(await take.ReachAsync("Live", Cancellation));

        await guest.KillAsync();
        var result = await take.EndAsync(Cancellation);

        Assert.NotEqual(0, result.ExitCode);
        IsOneClearError(result, result.ExitCode, guest.Monitor);
        await NothingIsListedAsync();
    }

    [Fact]
    public async Task Loses_half_of_its_RAM_file_in_the_first_pass()
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions());
        await using var take = RunningTake.Start(Cutpoint, [guest.Uri, .. Slowly]);
        Assert.True(await take.ReachAsync("Live", Cancellation));

        using (var ram = new FileStream(Path.Combine(guest.Directory, "ram"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)) ram.SetLength(128 << 20);
        var result = await take.EndAsync(Cancellation);

        // Either is seen first: the file that is too short, or QEMU that died of it.
        Assert.NotEqual(0, result.ExitCode);
        IsOneClearError(result, result.ExitCode);
        await NothingIsListedAsync();
    }

    [Theory]
    [InlineData(GuestRam.File)]
    [InlineData(GuestRam.Private)]
    public async Task Was_paused_before_and_stays_paused(GuestRam ram)
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions { Ram = ram });
        await guest.ExecuteAsync("stop", null, Cancellation);
        var counted = guest.Serial.Counts.Count;

        await Cutpoint.QueryAsync(Cancellation, "take", guest.Uri, "--name", "one");

        Assert.Contains(await guest.StatusAsync(Cancellation), (string[])["paused", "postmigrate"]);
        Assert.Equal(counted, guest.Serial.Counts.Count);
        // And so does what is restored from it.
        var restored = await Cutpoint.QueryAsync(Cancellation, "restore", "one", "--launch");
        await using (RestoredGuest.From(restored)) Assert.Equal("paused", (string?)restored["guests"]![0]!["status"]);

        await guest.ExecuteAsync("cont", null, Cancellation);
        await guest.Serial.WaitForCountsAsync(counted + 2, Cancellation);
        Assert.Empty(guest.Serial.Complaints);
    }
}
