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
public sealed class Chain_of_images() : BadDay(minutes: 3)
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
        await StartAsync("qcow2");
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
        await EveryCheckpointHasItsDiskAsync(3);
    }

    [Fact]
    public async Task Is_whole_whenever_a_forget_is_killed()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await StartAsync("raw");
        await using var running = _guest;
        for (var round = 1; round <= 9; round++)
        {
            await WriteAsync();
            await TakeAsync();
            using var forget = Cutpoint.Start("forget", "--keep-last", $"{Kept}");
            await Task.Delay(random.Next(40, 130), Cancellation);
            CutpointProgram.Signal(forget, SigKill);
            await CutpointProgram.FinishAsync(forget, Cancellation);
            if (round % 3 != 0) continue;
            // As it was left: nobody has looked after it since.
            var listed = await ListAsync();
            await HasItsDiskAsync(listed[random.Next(listed.Count)]!, $"seed {seed}, round {round}");
        }

        await Cutpoint.QueryAsync(Cancellation, "gc");
        await Cutpoint.QueryAsync(Cancellation, "forget", "--keep-last", $"{Kept}");

        Assert.InRange(await NumberedDisk.DepthAsync(_guest, Cancellation), 1, Kept + 1);
        Assert.InRange(_disk.Overlays().Count, Kept, Kept + 1);
        await EveryCheckpointHasItsDiskAsync(Kept);
    }

    private async Task StartAsync(string format)
    {
        await InitAsync();
        _disk = await NumberedDisk.CreateAsync(Directory.File("disks"), format, Cancellation);
        _guest = await Guest.StartBareAsync(Directory.File("guest"), ["-drive", $"{_disk.Drive},if=virtio,id=d0"], Cancellation);
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
