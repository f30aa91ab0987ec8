using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Units;
using Cutpoint.Workers.Capture;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Direct;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;
using Cutpoint.Workers.Tests.Capture;

namespace Cutpoint.Workers.Tests.Qemu.Direct;

/// <summary>A real QEMU with the toy guest, whose RAM lies in a shared file.</summary>
public sealed class DirectCaptureTests
{
    [Theory]
    [InlineData("file")]
    [InlineData("memfd")]
    public async Task What_is_stored_is_the_RAM_of_the_stopped_guest(string backend)
    {
        await using var guest = await StartAsync(backend);
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        var checkpoint = await run.TakeAsync($"qemu:{guest.Socket}", new CaptureOptions { After = AfterCut.Stop });
        Assert.Equal(CaptureTransport.Direct, run.Opened.Transport);
        Assert.Equal(CaptureStrategy.Precopy, run.Opened.Strategy);

        // The guest has stood still since the cut, so its file is the judge.
        var (block, ram) = await ReadRamAsync(guest, run, checkpoint);
        Assert.Equal(ram, await run.ReadBlockAsync(checkpoint, block));
    }

    [Fact]
    public async Task A_guest_runs_on_after_its_checkpoint_and_its_memory_is_whole()
    {
        await using var guest = await StartAsync("file");
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.TakeAsync($"qemu:{guest.Socket}");
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
        Assert.True(run.Cut.HeldUntilRelease);
        Assert.InRange(run.Cut.Pause!.Value.TotalMilliseconds, 0.1, 60_000);
    }

    [Fact]
    public async Task A_guest_that_runs_again_is_let_go_before_its_checkpoint_is_committed()
    {
        await using var guest = await StartAsync("file");
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.DrainAsync($"qemu:{guest.Socket}", AfterCut.Continue);

        // A monitor has one client at a time: this one is greeted when the capture has left, and finds nothing changed.
        await using (var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default))
        {
            Assert.True((await monitor.QueryStatusAsync(QmpClient.CommandDeadline, default)).Running);
            var capabilities = await monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, default);
            Assert.False(capabilities["x-ignore-shared"]);
            Assert.False(capabilities["events"]);
        }
        await run.CommitAsync();
        Assert.Null((await run.CloseAsync()).Trouble);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_that_stays_stopped_is_held_until_its_checkpoint_is_committed_and_runs_when_it_is_not(bool hadVoidCut)
    {
        await using var guest = await StartAsync("file");
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.DrainAsync($"qemu:{guest.Socket}", AfterCut.Stop, hadVoidCut);
        var inUse = await Assert.ThrowsAsync<QmpException>(() => QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default));
        Assert.Equal(QmpFailure.InUse, inUse.Failure);
        Assert.Null((await run.CloseAsync(keep: false)).Trouble);
        await guest.WaitUntilItCountsAsync();
    }

    [Fact]
    public async Task The_first_pass_which_begins_before_QEMU_is_set_up_ends_when_QEMU_cannot_be()
    {
        await using var guest = await StartAsync("file");
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        var inspection = await QemuPreflight.InspectAsync(session.Monitor, GuestUri.Parse($"qemu:{guest.Socket}"), default);
        var block = inspection.Description.Blocks.Single(b => b.Name == "ram0");
        var file = SharedRam.Open(block.Name, Path.Combine(guest.Directory, "ram"), 0, block.Length);
        using var ram = new DirectRam(
            [(file, new PageHashTracker())], new CaptureOptions(), TimeSpan.Zero, await PrivateMemory.LookAsync(session, inspection, [], default), TimeProvider.System);
        using var store = new MemoryStore();
        await using var graph = new CaptureGraph(
            inspection.Description, store, new CaptureGraphOptions { Chunks = 1, CutChunks = 1 }, TimeProvider.System);
        var setUp = new TaskCompletionSource();
        ram.Begin(graph, setUp.Task);
        var units = new UnitRegistry(maxNameOctets: 255);
        units.Register(new UnitRegistration(UnitKind.Internal, new UnitKey(block.Name, 0), 1, block.Length, ram.CallbacksOf(block)));
        await using var save = new LiveSave(units, graph, new SaveOptions());
        await save.LivePrepareAsync(default);
        // Nobody reads without a chunk, and the only one is here.
        using var credit = await graph.RentAsync(default);
        var pass = save.ExecutePassAsync(0, default);
        Assert.False(pass.IsCompleted);

        setUp.SetException(new SnapshotException(ErrorCode.Incompatible, "QEMU does not want to"));

        var error = await Assert.ThrowsAnyAsync<Exception>(() => pass.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal("QEMU does not want to", error.GetBaseException().Message);
        await save.CompleteAsync();
    }

    private static Task<ToyGuest> StartAsync(string backend) => ToyGuest.StartAsync(
        "-object", backend == "file" ? "memory-backend-file,id=ram0,size=17M,mem-path=ram,share=on" : "memory-backend-memfd,id=ram0,size=17M,share=on",
        "-machine", "pc,memory-backend=ram0", "-m", "17M");

    private static async Task<(int Block, byte[] Ram)> ReadRamAsync(ToyGuest guest, CaptureRun run, CheckpointInfo checkpoint)
    {
        await using var reader = await run.Repository.OpenCheckpointAsync(checkpoint, default);
        var blocks = reader.Guest(null).Manifest.Blocks;
        var block = Enumerable.Range(0, blocks.Count).Single(i => blocks[i].Name == "ram0");
        var path = Path.Combine(guest.Directory, "ram");
        if (!File.Exists(path)) path = System.IO.Directory.EnumerateFiles($"/proc/{guest.ProcessId}/fd")
            .First(f => File.ResolveLinkTarget(f, false)?.FullName.Contains("memfd:memory-backend-memfd", StringComparison.Ordinal) == true);
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var octets = new byte[blocks[block].Length];
        await file.ReadExactlyAsync(octets);
        return (block, octets);
    }
}
