using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Tests.Qemu.Guard;

/// <summary>Whatever dies, the guest runs on and stands as it was found.</summary>
public sealed class GuardTests
{
    /// <summary>Ends a test that hangs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_guest_runs_on_and_is_put_back_when_its_worker_is_killed_between_stop_and_cont()
    {
        await using var guest = await ToyGuest.StartAsync();
        var before = await SettingsAsync(guest);
        await using (var worker = await VictimWorker.StartAsync(guest, "stop", ToyGuest.FreezeLimit))
        {
            worker.Signal(TestProcess.Kill);
            await guest.WaitUntilItCountsAsync();
        }
        await WaitUntilNothingIsOpenAsync(guest);
        Assert.Equal(before, await SettingsAsync(guest));
        var outcome = Assert.Single(await guest.SessionOptions.Intents.RecoverAsync(guest.Socket, default));
        Assert.Equal((guest.Socket, "running", true), (outcome.Socket, outcome.Status, outcome.Thawed));
        Assert.StartsWith("the worker ended: continued the guest, put back", outcome.Details, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
        Assert.Equal(0, await guest.VerifyAsync());
    }

    [Fact]
    public async Task A_guest_runs_on_when_its_worker_hangs_beyond_the_freeze_limit_and_the_worker_learns_of_it()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var worker = await VictimWorker.StartAsync(guest, "stop", TimeSpan.FromMilliseconds(300));
        worker.Signal(TestProcess.Stop);
        await guest.WaitUntilItCountsAsync();
        worker.Signal(TestProcess.Continue);
        Assert.Contains("the freeze limit of 300 ms was reached: continued the guest", await worker.NextLineAsync(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_whose_cont_comes_when_the_guard_has_acted_on_the_freeze_limit_is_told_of_the_limit()
    {
        await using var guest = await ToyGuest.StartAsync();
        // Long enough for the guard to be stopped before it acts.
        var limited = guest.SessionOptions with { FreezeLimit = TimeSpan.FromSeconds(5) };
        await using var session = await QemuSession.ConnectAsync(guest.Socket, limited, default);
        await session.StopAsync(default);
        // A guard that does not get to run before its limit has passed finds the command only then.
        TestProcess.Signal(session.GuardProcessId, TestProcess.Stop);
        var late = session.ContinueAsync();
        await Assert.ThrowsAsync<TimeoutException>(() => late.WaitAsync(limited.FreezeLimit.Value));
        TestProcess.Signal(session.GuardProcessId, TestProcess.Continue);

        var error = await Assert.ThrowsAsync<SnapshotException>(() => late);

        Assert.Contains("the freeze limit of 5000 ms was reached: continued the guest", error.Message, StringComparison.Ordinal);
        Assert.Contains("--freeze-limit", error.Advice, StringComparison.Ordinal);
        await guest.WaitUntilItCountsAsync();
    }

    [Fact]
    public async Task The_worker_thaws_by_itself_when_its_guard_is_killed()
    {
        await using var guest = await ToyGuest.StartAsync();
        var before = await SettingsAsync(guest);
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["x-ignore-shared"] = true }, default);
            await session.StopAsync(default);
            TestProcess.Signal(session.GuardProcessId, TestProcess.Kill);
            await guest.WaitUntilItCountsAsync();
            await LossAsync(session);
            Assert.Contains("the guard process was killed: continued the guest, put back", session.Loss!.Message, StringComparison.Ordinal);
            var refused = await Assert.ThrowsAsync<SnapshotException>(session.ContinueAsync);
            Assert.Equal(session.Loss.Message, refused.Message);
        }
        Assert.Equal(before, await SettingsAsync(guest));
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
    }

    [Fact]
    public async Task The_next_job_thaws_a_guest_whose_worker_and_guard_were_both_killed()
    {
        await using var guest = await ToyGuest.StartAsync();
        var before = await SettingsAsync(guest);
        await using (var worker = await VictimWorker.StartAsync(guest, "stop", ToyGuest.FreezeLimit))
        {
            var guard = ReadIntent(guest).Guard.Id;
            worker.Signal(TestProcess.Stop);
            TestProcess.Signal(guard, TestProcess.Kill);
            worker.Signal(TestProcess.Kill);
        }
        Assert.Equal("paused", await StatusAsync(guest));
        await using (var next = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            var outcome = Assert.Single(next.Recovered);
            Assert.Equal((true, "running"), (outcome.Thawed, outcome.Status));
            Assert.True(next.WasRunning);
        }
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(before, await SettingsAsync(guest));
        Assert.Empty(await guest.SessionOptions.Intents.RecoverAsync(null, default));
    }

    [Fact]
    public async Task Recovery_does_not_touch_a_guest_whose_job_is_alive()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        await session.StopAsync(default);
        var outcome = Assert.Single(await guest.SessionOptions.Intents.RecoverAsync(guest.Socket, default));
        Assert.Equal(("held", false), (outcome.Status, outcome.Thawed));
        Assert.Equal("paused", (await session.QueryStatusAsync(default)).Name);
    }

    [Fact]
    public async Task Recovery_forgets_a_guest_that_has_ended()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using (var worker = await VictimWorker.StartAsync(guest, "stop", ToyGuest.FreezeLimit))
        {
            var guard = ReadIntent(guest).Guard.Id;
            worker.Signal(TestProcess.Stop);
            TestProcess.Signal(guard, TestProcess.Kill);
            worker.Signal(TestProcess.Kill);
        }
        guest.Kill();
        await guest.WaitForExitAsync();
        Assert.Equal("gone", Assert.Single(await guest.SessionOptions.Intents.RecoverAsync(null, default)).Status);
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
    }

    [Fact]
    public async Task A_guest_that_was_paused_before_stays_paused_whoever_dies()
    {
        await using var guest = await ToyGuest.StartAsync();
        await ExecuteAsync(guest, "stop");
        await using (var worker = await VictimWorker.StartAsync(guest, "stop", TimeSpan.FromMilliseconds(1)))
        {
            worker.Signal(TestProcess.Kill);
        }
        await WaitUntilNothingIsOpenAsync(guest);
        Assert.Equal("paused", await StatusAsync(guest));
    }

    [Fact]
    public async Task A_guest_is_left_stopped_only_when_the_checkpoint_is_safe()
    {
        await using var guest = await ToyGuest.StartAsync();
        var stay = guest.SessionOptions with { FreezeLimit = null };
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, stay, default))
        {
            await session.StopAsync(default);
        }
        Assert.Equal("running", await StatusAsync(guest));
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, stay, default))
        {
            await session.StopAsync(default);
            session.KeepStopped();
        }
        Assert.Equal("paused", await StatusAsync(guest));
        Assert.Empty(Directory.GetFiles(stay.Intents.Directory));
    }

    [Fact]
    public async Task A_background_snapshot_is_never_cancelled_but_waited_for()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "256");
        await using (var worker = await VictimWorker.StartAsync(guest, "background", ToyGuest.FreezeLimit))
        {
            worker.Signal(TestProcess.Kill);
        }
        TestProcess.Signal(guest.ProcessId, TestProcess.Continue);
        await WaitUntilNothingIsOpenAsync(guest);
        var outcome = Assert.Single(await guest.SessionOptions.Intents.RecoverAsync(guest.Socket, default));
        Assert.Contains("waited for the background snapshot", outcome.Details, StringComparison.Ordinal);
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        Assert.Equal("completed", (await monitor.QueryMigrationAsync(Patience, default)).Status);
        // A frozen CPU would hang this command for ever.
        await monitor.ExecuteAsync("stop", default);
    }

    [Fact]
    public async Task A_guest_is_freed_from_a_background_snapshot_that_failed()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "64");
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["background-snapshot"] = true }, default);
            var (ours, theirs) = UnixSocketPair.Create();
            using var events = session.Monitor.Subscribe("MIGRATION");
            // Straight to the monitor: the session takes no socket for this, since this is what comes of it.
            using (theirs)
            {
                await Assert.ThrowsAsync<ArgumentException>(() => session.SendDescriptorAsync("m", theirs, default));
                await session.Monitor.SendDescriptorAsync("m", theirs, default);
            }
            await session.MigrateAsync("m", default);
            await ours.ReceiveAsync(new byte[100_000]);
            ours.Dispose();
            await events.WaitAsync(next => next.Text("status") == "failed", Patience, default);
            Assert.True((await session.QueryStatusAsync(default)).Running);
        }
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
    }

    [Fact]
    public async Task A_second_job_on_a_guest_is_told_who_has_it()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var first = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        await first.ArmAsync(default);
        var error = await Assert.ThrowsAsync<SnapshotException>(
            () => QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default));
        Assert.Equal((ErrorCode.Locked, true), (error.Code, error.IsPreflight));
        Assert.Contains($"process {Environment.ProcessId} is at work on it", error.Message, StringComparison.Ordinal);
        await first.StopAsync(default);
        await first.ContinueAsync();
    }

    [Fact]
    public async Task A_job_that_meets_a_guard_at_work_is_told_of_the_guard_and_what_to_do()
    {
        await using var guest = await ToyGuest.StartAsync();
        int dead;
        await using (var worker = await VictimWorker.StartAsync(guest, "stop", ToyGuest.FreezeLimit))
        {
            // The guard does not get through to a QEMU that hangs.
            TestProcess.Signal(guest.ProcessId, TestProcess.Stop);
            dead = worker.ProcessId;
        }
        var error = await Assert.ThrowsAsync<SnapshotException>(() => QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default));
        var guard = ReadIntent(guest).Guard.Id;
        Assert.Equal((ErrorCode.Locked, true), (error.Code, error.IsPreflight));
        Assert.Matches(
            $@"process {dead} has ended, and its guard \(process {guard}, there since \d\d:\d\d:\d\d UTC\) puts the guest back, until \d\d:\d\d:\d\d UTC at most", error.Message);
        Assert.Contains($"kill -KILL {guard}", error.Advice, StringComparison.Ordinal);
        Assert.Contains("cutpoint doctor", error.Advice, StringComparison.Ordinal);

        TestProcess.Signal(guest.ProcessId, TestProcess.Continue);
        await WaitUntilNothingIsOpenAsync(guest);
        await guest.WaitUntilItCountsAsync();
    }

    [Fact]
    public async Task A_guest_is_not_changed_when_the_intent_cannot_be_written_and_a_damaged_intent_is_in_nobodys_way()
    {
        await using var guest = await ToyGuest.StartAsync();
        var nowhere = guest.SessionOptions with { Intents = new FreezeIntents(Path.Combine(guest.SerialLog, "freeze")) };
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, nowhere, default))
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(() => session.StopAsync(default));
            Assert.Contains("the freeze intent cannot be written", error.Message, StringComparison.Ordinal);
            Assert.True((await session.QueryStatusAsync(default)).Running);
        }
        var intents = guest.SessionOptions.Intents;
        Directory.CreateDirectory(intents.Directory);
        var damaged = Path.Combine(intents.Directory, "1-2-3.intent");
        File.WriteAllText(damaged, "{\"version\": 1, \"socket\": 3}");
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            await session.StopAsync(default);
        }
        Assert.Equal(damaged, Assert.Single(await intents.RecoverAsync(null, default)).Socket);
    }

    [Fact]
    public async Task The_guard_ends_a_write_QEMU_hangs_in_because_the_worker_does_not_read()
    {
        await using var guest = await ToyGuest.StartAsync();
        var options = guest.SessionOptions with { FreezeLimit = TimeSpan.FromSeconds(1) };
        await using var session = await QemuSession.ConnectAsync(guest.Socket, options, default);
        await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["pause-before-switchover"] = true }, default);
        await session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0 }, default);
        var (ours, theirs) = UnixSocketPair.Create();
        using (ours)
        {
            using (theirs) await session.SendDescriptorAsync("m", theirs, default);
            using var events = session.Monitor.Subscribe("MIGRATION");
            var enough = new CancellationTokenSource();
            var drain = DrainAsync(ours, enough.Token);
            await session.MigrateAsync("m", default);
            await events.WaitAsync(next => next.Text("status") == "pre-switchover", Patience, default);
            await enough.CancelAsync();
            await drain;
            // The rest is the device state, more than the socket holds: QEMU's main loop writes it, and nobody reads.
            _ = session.ContinueMigrationAsync(default).ContinueWith(task => task.Exception, TaskScheduler.Default);
            await LossAsync(session);
            Assert.Contains("the freeze limit of 1000 ms was reached", session.Loss!.Message, StringComparison.Ordinal);
        }
        await guest.WaitUntilItCountsAsync();
        Assert.Equal(0, await guest.VerifyAsync());
    }

    [Fact]
    public async Task A_session_tells_that_its_guest_has_died()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        await session.ArmAsync(default);
        guest.Kill();
        await LossAsync(session);
        Assert.Contains("has ended", session.Loss!.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
    }

    [Fact]
    public async Task Ending_a_session_whose_guard_or_guest_was_quicker_is_no_trouble()
    {
        await using var guest = await ToyGuest.StartAsync();
        var session = await QemuSession.ConnectAsync(
            guest.Socket, guest.SessionOptions with { FreezeLimit = TimeSpan.FromMilliseconds(1) }, default);
        try
        {
            await session.StopAsync(default);
        }
        catch (SnapshotException) when (session.Loss is not null)
        {
            // The guard has acted before it passed on the answer.
        }
        await guest.WaitUntilItCountsAsync();
        await session.DisposeAsync();
        Assert.Null(session.Trouble);
        Assert.Contains("the freeze limit of 1 ms was reached", session.Loss!.Message, StringComparison.Ordinal);

        session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        await session.StopAsync(default);
        guest.Kill();
        await session.DisposeAsync();
        Assert.Null(session.Trouble);
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
    }

    [Fact]
    public async Task A_guard_that_cannot_be_started_is_a_preflight_error()
    {
        await using var guest = await ToyGuest.StartAsync();
        var missing = guest.SessionOptions with { Guard = new GuardCommand("/nonexistent/cutpoint", []) };
        var error = await Assert.ThrowsAsync<SnapshotException>(() => QemuSession.ConnectAsync(guest.Socket, missing, default));
        Assert.True(error.IsPreflight);
        var ends = guest.SessionOptions with { Guard = new GuardCommand("/bin/false", []) };
        await using var session = await QemuSession.ConnectAsync(guest.Socket, ends, default);
        error = await Assert.ThrowsAsync<SnapshotException>(() => session.StopAsync(default));
        Assert.Contains("ended with code 1", error.Message, StringComparison.Ordinal);
        Assert.Equal("running", (await session.QueryStatusAsync(default)).Name);
        Assert.Empty(Directory.GetFiles(guest.SessionOptions.Intents.Directory));
    }

    private static async Task LossAsync(QemuSession session)
    {
        var lost = new TaskCompletionSource();
        await using var registration = session.Lost.Register(lost.SetResult);
        await lost.Task.WaitAsync(Patience);
    }

    private static async Task DrainAsync(System.Net.Sockets.Socket socket, CancellationToken enough)
    {
        var sink = new byte[1 << 16];
        try
        {
            while (await socket.ReceiveAsync(sink, enough) > 0) ;
        }
        catch (OperationCanceledException)
        {
            // Enough was read.
        }
    }

    private static FreezeIntent ReadIntent(ToyGuest guest) =>
        FreezeIntents.Read(Directory.GetFiles(guest.SessionOptions.Intents.Directory, "*.intent").Single())!;

    private static Task WaitUntilNothingIsOpenAsync(ToyGuest guest) =>
        guest.UntilAsync(() => Directory.GetFiles(guest.SessionOptions.Intents.Directory, "*.intent").Length == 0);

    private static async Task<string> StatusAsync(ToyGuest guest)
    {
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        return (await monitor.QueryStatusAsync(Patience, default)).Name;
    }

    private static async Task ExecuteAsync(ToyGuest guest, string command)
    {
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        await monitor.ExecuteAsync(command, default);
    }

    private static async Task<string> SettingsAsync(ToyGuest guest)
    {
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var capabilities = await monitor.ExecuteAsync("query-migrate-capabilities", default);
        var parameters = await monitor.ExecuteAsync("query-migrate-parameters", default);
        return capabilities.GetRawText() + parameters.GetRawText();
    }
}
