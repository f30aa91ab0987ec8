using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;
using Cutpoint.Workers.Qemu.Streaming;

namespace Cutpoint.Workers.Tests.Qemu.Streaming;

/// <summary>The stream transport against a real QEMU whose guest rewrites its memory all the time.</summary>
public sealed class StreamCaptureTests
{
    /// <summary>No multiple of 256 KiB: a live capture is right with TCG on every QEMU.</summary>
    private const string Sound = "16392K";

    private static readonly CaptureOptions Options = new() { After = AfterCut.Stop };

    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task Memory_captured_is_that_of_the_stopped_guest(CaptureStrategy strategy)
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using var capture = await OpenAsync(guest, strategy);
        using var sinks = new MemorySinks(capture.Description);

        var devices = await RunAsync(capture, sinks, run: false);

        capture.Keep();
        Assert.Equal(await MemoryOfAsync(guest, capture), Upper(sinks, capture).ToArray());
        Assert.Contains(devices, device => device.Unit.Name == "cpu" && !device.Description.IsEmpty);
        Assert.Contains(capture.Description.Memory, range => range is { Block: "pc.ram", Address: 0 });
    }

    [Fact]
    public async Task Pages_of_a_stream_are_gathered_into_full_sections()
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using var capture = await OpenAsync(guest, CaptureStrategy.Stop);
        using var sinks = new MemorySinks(capture.Description);

        await RunAsync(capture, sinks, run: true);

        Assert.InRange(sinks.ChunkCount, 1, capture.Description.Blocks.Sum(block => (block.ExtentCount + Paging.ExtentsPerSection - 1) / Paging.ExtentsPerSection));
    }

    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Background)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task The_guest_runs_on_unharmed_and_can_be_captured_again(CaptureStrategy strategy)
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        for (var round = 0; round < 3; round++)
        {
            await using var capture = await OpenAsync(guest, strategy);
            using var sinks = new MemorySinks(capture.Description);
            await RunAsync(capture, sinks, run: true);
            Assert.InRange(ToyPages.CountBad(sinks.MemoryOf("pc.ram")), 0, 1);
        }

        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
    }

    [Theory]
    [InlineData(CaptureStrategy.Precopy, false)]
    [InlineData(CaptureStrategy.Precopy, true)]
    [InlineData(CaptureStrategy.Stop, false)]
    [InlineData(CaptureStrategy.Stop, true)]
    public async Task A_cut_that_took_too_long_is_thawed_at_once_and_the_next_one_has_the_memory_of_its_own_stop(CaptureStrategy strategy, bool isRead)
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using var capture = await OpenAsync(guest, strategy);
        using var sinks = new MemorySinks(capture.Description);
        await capture.BeginAsync(sinks, default);
        var save = await PassesAsync(capture, sinks, from: 0);
        await capture.StopAsync(default);
        await save.SavePrepareAsync(default);
        using var limit = new CancellationTokenSource();
        // The limit is reached while the rest is read, or when all of it is there.
        if (!isRead) sinks.Emitting = limit.Cancel;
        if (isRead) await save.SaveExecuteAsync(limit.Token);
        else await Assert.ThrowsAnyAsync<OperationCanceledException>(() => save.SaveExecuteAsync(limit.Token));
        sinks.Emitting = static () => { };
        // Null where QEMU was first and let the guest run by itself.
        await capture.VoidAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(1));
        await save.CompleteAsync();
        await guest.WaitUntilItCountsAsync();

        save = await PassesAsync(capture, sinks, from: 1);
        await capture.StopAsync(default);
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        Assert.Null(await capture.ThawAsync(run: false));
        Assert.NotEmpty(await capture.FinishAsync(default));
        capture.Keep();

        Assert.Equal(await MemoryOfAsync(guest, capture), Upper(sinks, capture).ToArray());
    }

    [Fact]
    public async Task A_paused_guest_is_captured_and_stays_paused()
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using (var owner = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            await owner.StopAsync(default);
            owner.KeepStopped();
        }
        await using (var capture = await OpenAsync(guest, CaptureStrategy.Auto))
        {
            Assert.Equal(CaptureStrategy.Stop, capture.Strategy);
            using var sinks = new MemorySinks(capture.Description);
            await RunAsync(capture, sinks, run: true);
            Assert.InRange(ToyPages.CountBad(sinks.MemoryOf("pc.ram")), 0, 1);
        }
        await using var after = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        Assert.False((await after.QueryStatusAsync(default)).Running);
    }

    [Fact]
    public async Task A_guest_whose_writes_would_be_lost_is_not_captured_in_passes()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16");
        var refused = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync(guest, CaptureStrategy.Precopy));
        Assert.True(refused.IsPreflight);
        Assert.Contains("loses writes", refused.Message, StringComparison.Ordinal);
        Assert.Matches(@"^take it with --strategy background or --strategy stop \(a pause of about \d+ ms\), .*no multiple of 256 KiB", refused.Advice);
        await using var capture = await OpenAsync(guest, CaptureStrategy.Auto);
        Assert.NotEqual(CaptureStrategy.Precopy, capture.Strategy);
        Assert.Contains("loses writes", capture.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Advice_for_a_guest_whose_writes_would_be_lost_names_only_what_is_possible_for_it()
    {
        // Its video memory is what loses writes, whatever the size of its RAM.
        await using var guest = await ToyGuest.StartAsync("-m", Sound, "-device", "VGA,vgamem_mb=8");
        var driver = new QemuDriver(guest.SessionOptions, TimeProvider.System);
        var asked = new CaptureOptions { Transport = CaptureTransport.Stream, Strategy = CaptureStrategy.Precopy, After = AfterCut.Stop };

        var precopy = await Assert.ThrowsAsync<SnapshotException>(() => driver.OpenAsync(GuestUri.Parse($"qemu:{guest.Socket}"), asked, default));
        Assert.Contains("vga.vram", precopy.Message, StringComparison.Ordinal);
        Assert.Matches(@"^take it with --strategy stop \(a pause of about \d+ ms\), or run it in QEMU 9.0 or newer$", precopy.Advice);

        var soon = asked with { Strategy = CaptureStrategy.Auto, Downtime = TimeSpan.FromMilliseconds(1) };
        var paused = await Assert.ThrowsAsync<SnapshotException>(() => driver.OpenAsync(GuestUri.Parse($"qemu:{guest.Socket}"), soon, default));
        Assert.Equal(ErrorCode.NotConverged, paused.Code);
        Assert.Contains("loses writes to 0000:00:02.0/vga.vram", paused.Message, StringComparison.Ordinal);
        Assert.Matches(@"^allow --downtime \d+ms or more, or run it in QEMU 9.0 or newer$", paused.Advice);
    }

    [Theory]
    [InlineData(CaptureStrategy.Precopy)]
    [InlineData(CaptureStrategy.Stop)]
    public async Task A_capture_given_up_half_way_leaves_the_guest_running_and_migratable(CaptureStrategy strategy)
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using (var capture = await OpenAsync(guest, strategy))
        {
            using var sinks = new MemorySinks(capture.Description);
            await capture.BeginAsync(sinks, default);
            if (strategy is CaptureStrategy.Stop) await capture.StopAsync(default);
            else await StartPassAsync(capture, sinks);
        }
        await guest.WaitUntilItCountsAsync();
        await using var again = await OpenAsync(guest, strategy);
        using var fresh = new MemorySinks(again.Description);
        await RunAsync(again, fresh, run: true);
        Assert.Equal(0, await guest.VerifyAsync());
    }

    /// <summary>Every capability that changes a stream, in sets QEMU lets stand together.</summary>
    [Theory]
    [InlineData("xbzrle", "zero-blocks", "auto-converge", "return-path", "late-block-activate", "release-ram")]
    [InlineData("compress", "postcopy-ram", "dirty-bitmaps")]
    [InlineData("multifd", "validate-uuid")]
    [InlineData("x-ignore-shared")]
    [InlineData("background-snapshot")]
    public async Task Settings_its_owner_has_left_on_do_not_spoil_the_capture_and_are_as_before_afterwards(params string[] names)
    {
        await using var guest = await ToyGuest.StartAsync(
            "-object", $"memory-backend-memfd,id=pc.ram,size={Sound},share=on", "-m", Sound, "-machine", "pc,memory-backend=pc.ram");
        string before;
        await using (var owner = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default))
        {
            await owner.SetCapabilitiesAsync(names.ToDictionary(name => name, _ => true), QmpClient.CommandDeadline, default);
            // Credentials would have QEMU speak TLS on whatever it sends to.
            await owner.ExecuteAsync("migrate-set-parameters", writer => writer.WriteString("tls-creds", "of-its-owner"), QmpClient.CommandDeadline, default);
            before = await SettingsAsync(owner);
        }
        await using (var capture = await OpenAsync(guest, CaptureStrategy.Precopy))
        {
            using var sinks = new MemorySinks(capture.Description);
            await RunAsync(capture, sinks, run: true);
            Assert.InRange(ToyPages.CountBad(sinks.MemoryOf("pc.ram")), 0, 1);
        }
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        Assert.Equal(before, await SettingsAsync(monitor));
    }

    [Fact]
    public async Task A_guest_that_dies_under_capture_is_reported_by_name()
    {
        await using var guest = await ToyGuest.StartAsync("-m", Sound);
        await using var capture = await OpenAsync(guest, CaptureStrategy.Stop);
        using var sinks = new MemorySinks(capture.Description);
        await capture.BeginAsync(sinks, default);
        await capture.StopAsync(default);
        guest.Kill();
        var save = new LiveSave(capture.Units, new Sinks(sinks, capture.Description), new SaveOptions());
        await save.LivePrepareAsync(default);
        await save.SavePrepareAsync(default);
        await Assert.ThrowsAnyAsync<Exception>(() => save.SaveExecuteAsync(default));
        await save.CompleteAsync();
        var lost = new TaskCompletionSource();
        await using (capture.Lost.Register(lost.SetResult)) await lost.Task;
        Assert.Contains("has ended", capture.Loss!.Message, StringComparison.Ordinal);
    }

    private static async Task<StreamCapture> OpenAsync(ToyGuest guest, CaptureStrategy strategy)
    {
        var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        try
        {
            var inspection = await QemuPreflight.InspectAsync(session.Monitor, GuestUri.Parse("qemu:" + guest.Socket), default);
            inspection.RequireCapturable();
            var chosen = StreamStrategy.Choose(inspection, session.Qemu?.Id, new CaptureOptions { Strategy = strategy });
            var disks = new DiskCut(session, inspection.Description, inspection.Disks, null, Options, new OverlayLedger(), TimeProvider.System);
            return new StreamCapture(session, inspection, disks, Options, chosen, TimeProvider.System);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a guest's supervisor does.</summary>
    private static async Task<IReadOnlyList<DeviceState>> RunAsync(StreamCapture capture, MemorySinks sinks, bool run)
    {
        await capture.BeginAsync(sinks, default);
        var save = await PassesAsync(capture, sinks, from: 0);
        var stopped = await capture.StopAsync(default);
        CutStamp? thawed = null;
        if (capture.RunsDuringFinalPass) thawed = await capture.ThawAsync(run);
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        if (!capture.RunsDuringFinalPass) thawed = await capture.ThawAsync(run);
        Assert.Equal(run && capture.WasRunning, thawed is not null);
        if (thawed is { } end) Assert.True(stopped.At < end.At);
        var devices = await capture.FinishAsync(default);
        Assert.Null((await save.CompleteAsync()).Fault);
        return devices;
    }

    /// <summary>Prepares, and makes passes until the vote is for the cut.</summary>
    private static async Task<LiveSave> PassesAsync(StreamCapture capture, MemorySinks sinks, uint from)
    {
        var save = new LiveSave(capture.Units, new Sinks(sinks, capture.Description), new SaveOptions());
        await save.LivePrepareAsync(default);
        for (var pass = from; capture.Strategy is CaptureStrategy.Precopy; pass++)
        {
            await save.ExecutePassAsync(pass, default);
            if ((await save.VoteAsync(pass, default)).Verdict is PassVerdict.Converged) break;
        }
        return save;
    }

    private static async Task<string> SettingsAsync(QmpClient monitor) =>
        (await monitor.ExecuteAsync("query-migrate-capabilities", default)).GetRawText()
        + (await monitor.ExecuteAsync("query-migrate-parameters", default)).GetRawText();

    private static async Task StartPassAsync(StreamCapture capture, MemorySinks sinks)
    {
        using var cancel = new CancellationTokenSource();
        var save = new LiveSave(capture.Units, new Sinks(sinks, capture.Description), new SaveOptions());
        await save.LivePrepareAsync(default);
        var pass = save.ExecutePassAsync(0, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => pass);
        await save.CompleteAsync();
    }

    /// <summary>From 1 MiB on: below lie holes and shadows, which the monitor shows as the processor sees them.</summary>
    private static ReadOnlySpan<byte> Upper(MemorySinks sinks, StreamCapture capture) =>
        sinks.MemoryOf("pc.ram")[(1 << 20)..(int)capture.Description.Blocks.First(block => block.Name == "pc.ram").Length];

    private static async Task<byte[]> MemoryOfAsync(ToyGuest guest, StreamCapture capture)
    {
        var length = capture.Description.Blocks.First(block => block.Name == "pc.ram").Length - (1 << 20);
        var path = Path.Combine(guest.Directory, "memory");
        await capture.Session.Monitor.HumanMonitorAsync($"pmemsave 0x100000 {length} \"{path}\"", default);
        return await File.ReadAllBytesAsync(path);
    }

    private sealed class Sinks(MemorySinks memory, GuestDescription guest) : IUnitSinks
    {
        public ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation) =>
            ValueTask.FromResult(memory.Block(guest.Blocks.ToList().FindIndex(block => block.Name == unit.Key.Name)));

        public ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded) => ValueTask.CompletedTask;

        public ValueTask ReportAsync(uint pass, double percent, CancellationToken cancellation) => ValueTask.CompletedTask;
    }
}
