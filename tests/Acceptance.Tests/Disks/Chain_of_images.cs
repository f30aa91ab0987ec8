using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Cutpoint.Acceptance.Tests.BadDays;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Disks;

/// <summary>
/// A machine without a system, whose disk QEMU itself writes numbered blocks to, taken again and again while old checkpoints are forgotten: what its disk
/// stands on must get shorter while it runs, and every checkpoint that is kept must keep its disk.
/// </summary>
public sealed class Chain_of_images() : BadDay
{
    private const int SigKill = 9;
    private const int Kept = 3;

    private NumberedDisk _disk = null!;
    private Guest _guest = null!;
    private long _last;

    [Fact]
    public async Task Stays_short_on_a_schedule_of_takes_that_keeps_the_last_three()
    {
        await StartAsync("raw");
        await using var running = _guest;
        for (var round = 1; round <= 40; round++)
        {
            await WriteAsync();
            await TakeAsync();
            await Cutpoint.QueryAsync(Cancellation, "forget", "--keep-last", $"{Kept}");
            Assert.InRange(await NumberedDisk.DepthAsync(_guest, Cancellation), 1, Kept + 1);
        }
        await WriteAsync();

        // Of what was forgotten nothing is left: an overlay for each checkpoint, and the emptied one that stands for the oldest.
        Assert.InRange(_disk.Overlays().Count, Kept, Kept + 1);
        await EveryCheckpointHasItsDiskAsync(Kept);
        await Cutpoint.QueryAsync(Cancellation, ["forget", .. (await ListAsync()).Select(checkpoint => (string)checkpoint!["id"]!)]);
        Assert.Empty(_disk.Overlays());
        Assert.Equal(1, await NumberedDisk.DepthAsync(_guest, Cancellation));
        Assert.Equal(_last, await _disk.LastBlockAsync(Cancellation));
    }

    [Fact]
    public async Task Gets_shorter_in_the_middle_and_is_left_alone_by_a_restored_guest_that_reads_it()
    {
        var idle = await NumberedDisk.CreateAsync(Directory.File("idle"), "raw", Cancellation);
        await StartAsync("qcow2", "-drive", $"{idle.Drive},if=virtio");
        await using var running = _guest;
        var ids = new List<string>();
        for (var round = 1; round <= 5; round++)
        {
            await WriteAsync();
            ids.Add((string)(await TakeAsync())["id"]!);
        }
        var depth = await NumberedDisk.DepthAsync(_guest, Cancellation);
        await using (var clone = await RestoreAsync(ids[4]))
        {
            var refused = await RunAsync("forget", ids[1], ids[2]);
            Assert.Equal(0, refused.ExitCode);
            Assert.Contains("end the guests that were restored", refused.Error, StringComparison.Ordinal);
            Assert.Equal(depth, await NumberedDisk.DepthAsync(_guest, Cancellation));
            Assert.Equal(5, await LastBlockAsync(clone));
        }

        await Cutpoint.QueryAsync(Cancellation, "gc");

        Assert.Equal(depth - 2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        // Of both disks: an overlay for each checkpoint, and the emptied one the fourth names.
        Assert.Equal((4, 4), (_disk.Overlays().Count, idle.Overlays().Count));
        await EveryCheckpointHasItsDiskAsync(3);
    }

    /// <summary>One process, killed once it has noted its first merge. Where else it may die is gone through step by step elsewhere.</summary>
    [Fact]
    public async Task Is_whole_when_a_forget_is_killed()
    {
        await StartAsync("raw");
        await using var running = _guest;
        var ids = new List<string>();
        for (var round = 1; round <= 4; round++)
        {
            await WriteAsync();
            ids.Add((string)(await TakeAsync())["id"]!);
        }
        using (var forget = Cutpoint.Start("forget", ids[0], ids[1]))
        {
            while (!forget.HasExited && !IsMergeNoted()) await Task.Yield();
            CutpointProgram.Signal(forget, SigKill);
            await CutpointProgram.FinishAsync(forget, Cancellation);
        }
        await EveryCheckpointHasItsDiskAsync(2);

        await Cutpoint.QueryAsync(Cancellation, "gc");

        Assert.Equal(3, await NumberedDisk.DepthAsync(_guest, Cancellation));
        Assert.Equal(3, _disk.Overlays().Count);
    }

    [Fact]
    public async Task Of_a_guest_that_was_started_again_with_its_overlay_gets_shorter_too()
    {
        await StartAsync("raw");
        for (var round = 1; round <= 2; round++)
        {
            await WriteAsync();
            await TakeAsync();
        }
        await WriteAsync();
        await _guest.DisposeAsync();
        var newest = _disk.Overlays().Order(StringComparer.Ordinal).Last();
        await using var again = _guest = await StartGuestAsync("again", newest, "qcow2");
        var old = (await ListAsync()).Select(checkpoint => (string)checkpoint!["id"]!).ToList();
        await TakeAsync();

        await Cutpoint.QueryAsync(Cancellation, ["forget", .. old]);

        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        await WriteAsync();
        await EveryCheckpointHasItsDiskAsync(1);
    }

    private async Task StartAsync(string format, params string[] devices)
    {
        await InitAsync();
        _disk = await NumberedDisk.CreateAsync(Directory.File("disks"), format, Cancellation);
        _guest = await StartGuestAsync("guest", _disk.Path, format, devices);
    }

    private Task<Guest> StartGuestAsync(string name, string image, string format, params string[] devices) =>
        Guest.StartBareAsync(Directory.File(name), ["-drive", $"file={image},format={format},if=virtio,id=d0", .. devices], Cancellation);

    private bool IsMergeNoted()
    {
        try
        {
            return System.IO.Directory.EnumerateFiles(Directory.File("state"), "*.overlays", SearchOption.AllDirectories)
                .Any(note => File.ReadAllText(note).Contains("\"Merge\":{", StringComparison.Ordinal));
        }
        catch (FileNotFoundException)
        {
            // A note that has ended since it was listed.
            return false;
        }
    }

    private async Task WriteAsync()
    {
        var pattern = Directory.File("pattern");
        var block = new byte[512];
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"BLOCK {++_last}\n"), block);
        await File.WriteAllBytesAsync(pattern, block, Cancellation);
        await MonitorAsync(_guest.Monitor, $"qemu-io d0 \"write -q -s {pattern} {_last * 512} 512\"");
    }

    private Task<JsonNode> TakeAsync() => Cutpoint.QueryAsync(Cancellation, "take", _guest.Uri, "--label", $"round={_last}");

    private async Task<JsonArray> ListAsync() => (await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray();

    private async Task EveryCheckpointHasItsDiskAsync(int count)
    {
        var checkpoints = await ListAsync();
        Assert.Equal(count, checkpoints.Count);
        foreach (var checkpoint in checkpoints) await HasItsDiskAsync(checkpoint!, "");
    }

    private async Task HasItsDiskAsync(JsonNode checkpoint, string story)
    {
        await using var restored = await RestoreAsync((string)checkpoint["id"]!);
        Assert.True((string)checkpoint["labels"]!["round"]! == $"{await LastBlockAsync(restored)}", $"{story}: {checkpoint.ToJsonString()}");
    }

    private async Task<RestoredGuest> RestoreAsync(string id) => RestoredGuest.From(await Cutpoint.QueryAsync(Cancellation, "restore", id, "--launch"));

    /// <summary>What the restored guest itself reads: the first block that is not there ends it.</summary>
    private async Task<long> LastBlockAsync(RestoredGuest guest)
    {
        var overlay = Path.Combine(Path.GetDirectoryName(guest.Monitor)!, "disk0.qcow2");
        return await new NumberedDisk(overlay, "qcow2").LastBlockAsync(Cancellation);
    }

    private async Task MonitorAsync(string monitor, string line)
    {
        var said = await QmpProbe.ExecuteAsync(monitor, "human-monitor-command", new JsonObject { ["command-line"] = line }, Cancellation);
        Assert.Equal("", (string?)said);
    }
}
