using Cutpoint.Acceptance.Tests.BadDays;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.CommandLine;

public sealed class Encrypted_guest : BadDay
{
    private string[] Key => ["--key-file", Directory.File("key")];

    [Fact]
    public async Task A_killed_take_of_a_real_guest_is_gone_on_with_restored_exported_and_imported()
    {
        Assert.Equal(0, (await RunAsync(["init", "--encrypt", .. Key])).ExitCode);
        await using var guest = await BootAsync();
        await using (var take = RunningTake.Start(Cutpoint, [guest.Uri, "--name", "one", "--codec", "zstd:15", .. Key]))
        {
            Assert.True(await take.ReachAsync("Live", Cancellation));
            await UntilItCanBeResumedAsync();
            take.Signal(9);
            await take.EndAsync(Cancellation);
        }
        var listed = await Cutpoint.QueryAsync(Cancellation, ["list", .. Key]);
        Assert.Empty(listed["checkpoints"]!.AsArray());
        await Cutpoint.QueryAsync(Cancellation, ["resume", (string)listed["jobs"]![0]!["id"]!, .. Key]);
        Assert.True((bool)(await Cutpoint.QueryAsync(Cancellation, ["verify", .. Key]))["isSound"]!);
        await guest.KillAsync();

        await Cutpoint.QueryAsync(Cancellation, ["export", "one", "--format", "ber", "-o", Directory.File("one.ber"), .. Key]);
        await Cutpoint.QueryAsync(Cancellation, ["import", Directory.File("one.ber"), "--name", "again", .. Key]);
        await Cutpoint.QueryAsync(Cancellation, ["export", "again", "--format", "ber", "-o", Directory.File("again.ber"), .. Key]);
        Assert.Equal(await File.ReadAllBytesAsync(Directory.File("one.ber"), Cancellation), await File.ReadAllBytesAsync(Directory.File("again.ber"), Cancellation));

        // The guest goes on, and its memory is right in its own eyes.
        await using var restored = RestoredGuest.From(await Cutpoint.QueryAsync(Cancellation, ["restore", "one", "--launch", .. Key]));
        await restored.Serial.WaitForCountsAsync(2, Cancellation);
        Assert.Empty(restored.Serial.Complaints);
    }
}
