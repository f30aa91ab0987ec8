using Cutpoint.Acceptance.Tests.BadDays;
using Cutpoint.Acceptance.Tests.Groups;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Disks;

/// <summary>
/// Two guests that exchange numbered messages while each writes numbered blocks to a disk of its own. Each knows what the other can have said and what its disk
/// must hold, so that a cut that was not one over both memories and both disks is found by the guests themselves.
/// </summary>
public sealed class Group_of_guests_with_disks : BadDay
{
    [Fact]
    public async Task Has_memories_and_disks_of_one_cut_after_a_restore()
    {
        await InitAsync();
        NumberedDisk[] disks =
        [
            await NumberedDisk.CreateAsync(Directory.File("disks-asks"), "raw", Cancellation),
            await NumberedDisk.CreateAsync(Directory.File("disks-answers"), "qcow2", Cancellation),
        ];
        await using var pair = await TalkingPair.StartAsync(Directory, disks[0], disks[1], Cancellation);
        await pair.TalkOnAsync(Cancellation);
        var asked = pair.Asks.Serial.Talked("asked");

        await Cutpoint.QueryAsync(Cancellation, "take", pair.Asks.Uri, pair.Answers.Uri, "--name", "both", "--freeze-limit", "20s");

        // Their sources write on, and leave the frozen images alone.
        foreach (var guest in (Guest[])[pair.Asks, pair.Answers])
        {
            await guest.Serial.WaitForBlocksAsync(guest.Serial.LastBlock + 3, Cancellation);
            Assert.Empty(guest.Serial.Complaints);
            await guest.KillAsync();
        }
        long[] frozen = [await disks[0].LastBlockAsync(Cancellation), await disks[1].LastBlockAsync(Cancellation)];
        var restored = RestoredGuest.AllFrom(await Cutpoint.QueryAsync(Cancellation, "restore", "both", "--launch"));
        await using var asks = restored[0];
        await using var answers = restored[1];
        await TalkingPair.TalkOnAsync(asks.Serial, answers.Serial, Cancellation);
        Assert.True(asks.Serial.Talked("asked", first: true) >= asked);
        foreach (var (guest, last) in restored.Zip(frozen))
        {
            await guest.Serial.WaitForBlocksAsync(last + 3, Cancellation);
            // It was about to tell the last block, or had told it.
            Assert.InRange(guest.Serial.Blocks[0], last, last + 1);
            Assert.Empty(guest.Serial.Complaints);
        }
    }
}
