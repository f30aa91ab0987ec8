using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>
/// A checkpoint is right when a guest restored from it cannot be told from the source: QEMU's own dumps of both show the same pages and the same registers.
/// </summary>
public sealed class Restored_guest
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public static TheoryData<int> Guests => [.. Enumerable.Range(0, MatrixGuest.All.Count)];

    [Theory]
    [MemberData(nameof(Guests))]
    public async Task Cannot_be_told_from_its_source(int number)
    {
        var row = MatrixGuest.All[number];
        using var cancellation = new CancellationTokenSource(Patience);
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        var cutpoint = new CutpointProgram(directory.File("repository"), directory.File("state"));
        await cutpoint.QueryAsync(ct, "init");
        await using var source = await Guest.BootAsync(row.Options, directory.File("source"), ct);
        if (row.Paused) await source.ExecuteAsync("stop", null, ct);

        await cutpoint.QueryAsync(ct, "take", source.Uri, "--name", "one", "--after", "stop");

        Assert.Contains(await source.StatusAsync(ct), (string[])["paused", "postmigrate"]);
        using var expected = await GuestDump.TakeAsync(source.Monitor, directory.File("source.elf"), ct);
        await source.KillAsync();

        await using (var launched = RestoredGuest.From(await cutpoint.QueryAsync(ct, "restore", "one", "--launch", "--paused")))
        {
            using var dump = await GuestDump.TakeAsync(launched.Monitor, directory.File("launched.elf"), ct);
            Assert.Empty(GuestDump.Differences(expected, dump));
        }

        await using var waiting = await Guest.StartAsync(row.Options with { Extra = ["-S", "-incoming", "defer"] }, directory.File("waiting"), ct);
        await cutpoint.QueryAsync(ct, "restore", "one", "--to", waiting.Uri, "--paused");
        using (var dump = await GuestDump.TakeAsync(waiting.Monitor, directory.File("waiting.elf"), ct))
            Assert.Empty(GuestDump.Differences(expected, dump));

        // And it is alive: the counter goes on, and the memory is right in the guest's own eyes.
        await waiting.ExecuteAsync("cont", null, ct);
        await waiting.Serial.WaitForCountsAsync(3, ct);
        Assert.Empty(waiting.Serial.Complaints);
        Assert.Equal(source.Serial.Counts[^1] + 1, waiting.Serial.Counts[0]);
    }
}
