using Cutpoint.Acceptance.Tests.BadDays;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Disks;

/// <summary>
/// The guest writes numbered blocks to its disk one after the other, flushes each, and keeps the last number in its memory. So memory and disk of one instant
/// are told from those of two: it complains when the block before is missing, or when the next one is there already.
/// </summary>
public sealed class Guest_with_disks : BadDay
{
    private const int CtrlC = 2, Kill = 9;

    private static readonly GuestOptions Small = new() { RamKiB = 131080, ArenaMiB = 4 };

    [Theory]
    [InlineData("raw", GuestRam.File, "direct", "precopy")]
    [InlineData("qcow2", GuestRam.Private, "stream", "precopy")]
    [InlineData("raw", GuestRam.Private, "stream", "background")]
    public async Task Has_its_disk_as_of_the_cut_after_a_restore_and_its_source_goes_on(string format, GuestRam ram, string transport, string strategy)
    {
        await InitAsync();
        var disk = await NumberedDisk.CreateAsync(Directory.File("disks"), format, Cancellation);
        await using var source = await BootAsync(Small with { Ram = ram, Numbers = disk.Drive });
        var depth = await NumberedDisk.DepthAsync(source, Cancellation);

        await Cutpoint.QueryAsync(Cancellation, "take", source.Uri, "--name", "one", "--transport", transport, "--strategy", strategy);
        await source.Serial.WaitForBlocksAsync(source.Serial.LastBlock + 3, Cancellation);
        await Cutpoint.QueryAsync(Cancellation, "take", source.Uri, "--name", "two", "--transport", transport, "--strategy", strategy);
        await source.Serial.WaitForBlocksAsync(source.Serial.LastBlock + 3, Cancellation);

        var first = await disk.LastBlockAsync(Cancellation);
        var second = await new NumberedDisk(FrozenOf(await Cutpoint.QueryAsync(Cancellation, "show", "two")), "qcow2").LastBlockAsync(Cancellation);
        Assert.InRange(first, 1, second - 1);
        Assert.InRange(second, first + 1, source.Serial.LastBlock - 1);
        foreach (var (name, frozen) in new[] { ("one", first), ("two", second) })
        {
            await using var restored = RestoredGuest.From(await Cutpoint.QueryAsync(Cancellation, "restore", name, "--launch"));
            await restored.Serial.WaitForBlocksAsync(frozen + 3, Cancellation);
            Assert.Empty(restored.Serial.Complaints);
            // It was about to tell the last block, or had told it.
            Assert.InRange(restored.Serial.Blocks[0], frozen, frozen + 1);
            Assert.Equal(restored.Serial.LastBlock - restored.Serial.Blocks[0] + 1, restored.Serial.Blocks.Count);
        }
        Assert.Equal(first, await disk.LastBlockAsync(Cancellation));

        // The second does without the first; with the last one everything goes back.
        await Cutpoint.QueryAsync(Cancellation, "forget", "one");
        Assert.Equal(depth + 1, await NumberedDisk.DepthAsync(source, Cancellation));
        Assert.Equal(second, await new NumberedDisk(FrozenOf(await Cutpoint.QueryAsync(Cancellation, "show", "two")), "qcow2").LastBlockAsync(Cancellation));
        await Cutpoint.QueryAsync(Cancellation, "forget", "two");
        await IsUndividedAsync(source, disk, depth);
    }

    [Theory]
    [InlineData("precopy", "Live", CtrlC)]
    [InlineData("stop", "Draining", Kill)]
    public async Task Has_all_of_its_writes_in_its_image_again_after_a_take_that_was_ended(string strategy, string phase, int signal)
    {
        await InitAsync();
        var disk = await NumberedDisk.CreateAsync(Directory.File("disks"), "raw", Cancellation);
        await using var guest = await BootAsync(Small with { Numbers = disk.Drive });
        CutpointResult ended;
        // Its memory is read in the phase or is in the cut buffer then, and takes this codec long: the phase lasts.
        await using (var take = RunningTake.Start(Cutpoint, guest.Uri, "--strategy", strategy, "--codec", "zstd:15"))
        {
            Assert.True(await take.ReachAsync(phase, Cancellation));
            take.Signal(signal);
            ended = await take.EndAsync(Cancellation);
        }
        await guest.Serial.WaitForBlocksAsync(guest.Serial.LastBlock + 2, Cancellation);

        if (signal == CtrlC) IsOneClearError(ended, 130);
        else await Cutpoint.QueryAsync(Cancellation, "doctor");
        await IsUndividedAsync(guest, disk, depth: 1);
    }

    [Fact]
    public async Task Keeps_its_disk_to_itself_when_it_is_taken_without()
    {
        await InitAsync();
        var disk = await NumberedDisk.CreateAsync(Directory.File("disks"), "raw", Cancellation);
        await using var guest = await BootAsync(Small with { Numbers = disk.Drive });

        await Cutpoint.QueryAsync(Cancellation, "take", guest.Uri, "--no-disks");

        Assert.Contains(disk.Path, (await RunAsync("show", "latest")).Output, StringComparison.Ordinal);
        await IsUndividedAsync(guest, disk, depth: 1);
    }

    private static string FrozenOf(System.Text.Json.Nodes.JsonNode shown) =>
        (string)shown["guests"]![0]!["description"]!["diskSnapshots"]![0]!["chain"]![0]!;

    /// <summary>The guest writes on into its own image, which holds everything it has told, and nothing is left beside it.</summary>
    private async Task IsUndividedAsync(Guest guest, NumberedDisk disk, int depth)
    {
        Assert.Empty(disk.Overlays());
        Assert.Equal(depth, await NumberedDisk.DepthAsync(guest, Cancellation));
        var told = guest.Serial.LastBlock;
        await guest.Serial.WaitForBlocksAsync(told + 2, Cancellation);
        Assert.InRange(await disk.LastBlockAsync(Cancellation), told, long.MaxValue);
        Assert.Empty(guest.Serial.Complaints);
        var blocks = guest.Serial.Blocks;
        Assert.Equal(Enumerable.Range(1, blocks.Count).Select(number => (long)number), blocks);
    }
}
