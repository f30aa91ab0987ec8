using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Tests.Qemu.Monitor;

public sealed class QmpClientTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task A_missing_socket_says_where_and_what_to_do()
    {
        var error = await RefusedAsync("/nonexistent/vm1.qmp");
        Assert.Equal((QmpFailure.NoSocket, ErrorCode.NotFound), (error.Failure, error.Code));
        Assert.Equal("/nonexistent/vm1.qmp: no such socket", error.Message);
        Assert.Contains("-qmp unix:PATH,server=on,wait=off", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_nobody_listens_on_is_told_from_a_missing_one()
    {
        var directory = ToyGuest.MakeDirectory();
        var path = Path.Combine(directory, "dead");
        using (var socket = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified))
        {
            socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
            Assert.Equal((QmpFailure.NobodyListens, ErrorCode.NotFound), Kind(await RefusedAsync(path)));
        }
        var file = Path.Combine(directory, "file");
        File.WriteAllText(file, "");
        Assert.Equal((QmpFailure.NobodyListens, ErrorCode.NotFound), Kind(await RefusedAsync(file)));
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_path_too_long_for_a_socket_is_a_usage_error()
    {
        var error = await RefusedAsync("/" + new string('x', 200));
        Assert.Equal(ErrorCode.Usage, error.Code);
    }

    [Fact]
    public async Task A_monitor_that_serves_another_client_is_locked()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var first = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var error = await RefusedAsync(guest.Socket);
        Assert.Equal((QmpFailure.InUse, ErrorCode.Locked), Kind(error));
        Assert.Contains("in use by another client", error.Message, StringComparison.Ordinal);
        Assert.True(error.IsPreflight);
        await first.ExecuteAsync("query-status", default);
    }

    [Theory]
    [InlineData("QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    [InlineData("{\"hello\": 1}\n")]
    [InlineData("{\"QMP\": 3}\n")]
    [InlineData("17\n")]
    [InlineData("")]
    public async Task A_socket_that_is_no_monitor_is_told_so(string says)
    {
        await using var fake = new FakeMonitor(async client => await client.SendAsync(says));
        var error = await RefusedAsync(fake.Path);
        Assert.Equal((QmpFailure.NotQmp, ErrorCode.Incompatible), Kind(error));
    }

    [Fact]
    public async Task A_command_QEMU_refuses_carries_QEMUs_own_words()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var error = await Assert.ThrowsAsync<QmpException>(
            () => monitor.ExecuteAsync("migrate-continue", WriteState, QmpClient.CommandDeadline, default));
        Assert.Equal(("migrate-continue", "GenericError"), (error.Command, error.QemuClass));
        Assert.Contains(error.QemuText!, error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<QmpException>(() => monitor.ExecuteAsync("teleport", default));
        Assert.Equal((ErrorCode.Incompatible, "CommandNotFound"), (error.Code, error.QemuClass));
        Assert.Contains("'teleport'", error.Message, StringComparison.Ordinal);
        // The connection is none the worse.
        Assert.Equal(new Version(7, 2), new Version(monitor.Greeting!.Version.Major, monitor.Greeting.Version.Minor));
        Assert.Equal(guest.ProcessId, monitor.PeerProcessId);
        Assert.Contains("pc.ram", await monitor.HumanMonitorAsync("info ramblock", default), StringComparison.Ordinal);

        static void WriteState(Utf8JsonWriter writer) => writer.WriteString("state", "pre-switchover");
    }

    [Fact]
    public async Task A_client_that_takes_over_a_connection_takes_no_answer_to_its_predecessor_for_its_own()
    {
        var (near, far) = UnixSocketPair.Create();
        using var socket = new System.Net.Sockets.Socket(far);
        using var server = new FakeMonitorClient(socket, CancellationToken.None);
        await using var second = QmpClient.Adopt("of its predecessor", near, TimeProvider.System);

        var answer = second.ExecuteAsync("query-status", default);
        var id = await server.CommandAsync();
        for (var first = 1; first <= 3; first++) await server.SendAsync($$"""{"return": "not yours", "id": {{first}}}""" + "\r\n");
        await server.SendAsync($$"""{"return": "yours", "id": {{id}}}""" + "\r\n");

        Assert.Equal("yours", (await answer).GetString());
    }

    [Fact]
    public async Task A_monitor_that_stalls_ends_the_wait_by_name_and_a_late_answer_is_dropped()
    {
        var late = new TaskCompletionSource();
        await using var fake = FakeMonitor.Ready(async client =>
        {
            var id = await client.CommandAsync();
            await late.Task;
            await client.SendAsync($$"""{"return": {"late": true}, "id": {{id}}}""" + "\r\n");
            await client.AnswerAsync("""{"second": true}""");
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        var error = await Assert.ThrowsAsync<QmpException>(() => monitor.ExecuteAsync("query-migrate", null, Short, default));
        Assert.Equal((QmpFailure.Stalled, "query-migrate"), (error.Failure, error.Command));
        Assert.Contains("did not answer 'query-migrate' within 0.1 s", error.Message, StringComparison.Ordinal);
        late.SetResult();
        Assert.True((await monitor.ExecuteAsync("query-status", default)).GetProperty("second").GetBoolean());
    }

    [Fact]
    public async Task A_monitor_that_dies_fails_every_outstanding_command_by_name()
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            await client.CommandAsync();
            await client.CommandAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        var first = monitor.ExecuteAsync("stop", default);
        var second = monitor.ExecuteAsync("query-status", default);
        var errors = new[] { await Assert.ThrowsAsync<QmpException>(() => first), await Assert.ThrowsAsync<QmpException>(() => second) };
        Assert.All(errors, error => Assert.Equal(QmpFailure.Ended, error.Failure));
        Assert.Equal(["stop", "query-status"], errors.Select(error => error.Command));
        Assert.Equal(QmpFailure.Ended, (await Assert.ThrowsAsync<QmpException>(() => monitor.ExecuteAsync("cont", default))).Failure);
        Assert.Equal(QmpFailure.Ended, (await monitor.Ended).Failure);
    }

    [Theory]
    [InlineData("{\"return\": \n", "not QMP")]
    [InlineData("\u0001\u0002\n", "not QMP")]
    [InlineData("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", "not QMP")]
    public async Task Garbage_ends_the_connection_with_what_was_wrong(string says, string message)
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            await client.CommandAsync();
            await client.SendAsync(says);
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        var error = await Assert.ThrowsAsync<QmpException>(() => monitor.ExecuteAsync("query-status", default));
        Assert.Equal(QmpFailure.Garbage, error.Failure);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_without_end_is_not_taken_into_memory()
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            var part = new string('x', 1 << 20);
            while (true) await client.SendAsync(part);
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        var reason = await monitor.Ended.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Contains($"a line of more than {QmpClient.MaxLineLength} octets", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_of_strange_shape_and_foreign_answers_are_survived()
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            await client.SendAsync("""
                {"return": {}, "id": 1}
                {"return": {}, "id": "x"}
                {"error": {"class": "GenericError", "desc": "no id"}}
                {"event": "ODD"}
                {"event": "ODD", "timestamp": {"seconds": -1, "microseconds": -1}}
                {"event": 3}
                []

                """);
            await client.AnswerAsync("7");
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        Assert.Equal(7, (await monitor.ExecuteAsync("query-status", default)).GetInt32());
    }

    [Fact]
    public async Task Events_carry_QEMUs_time_come_in_order_and_are_kept_until_read()
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            var id = await client.CommandAsync();
            await client.SendAsync("""
                {"timestamp": {"seconds": 1795262845, "microseconds": 242010}, "event": "STOP"}
                {"timestamp": {"seconds": 1795262845, "microseconds": 242011}, "event": "OTHER"}
                {"timestamp": {"seconds": 1795262846, "microseconds": 42011}, "event": "RESUME", "data": {"why": "test"}}

                """);
            await client.SendAsync($$"""{"return": {}, "id": {{id}}}""" + "\n");
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        using var events = monitor.Subscribe("STOP", "RESUME");
        await monitor.ExecuteAsync("stop", default);
        Assert.True(events.TryRead(out var stop));
        Assert.True(events.TryRead(out var resume));
        Assert.False(events.TryRead(out _));
        Assert.Equal(("STOP", "RESUME", "test"), (stop.Name, resume.Name, resume.Text("why")));
        Assert.Equal(new DateTimeOffset(2026, 11, 21, 12, 07, 25, TimeSpan.Zero).AddMicroseconds(242010), stop.Timestamp);
        Assert.Equal(TimeSpan.FromMicroseconds(800001), resume.Timestamp - stop.Timestamp);
    }

    [Fact]
    public async Task A_reader_that_falls_behind_gets_an_error_and_no_gap()
    {
        await using var fake = FakeMonitor.Ready(async client =>
        {
            var id = await client.CommandAsync();
            for (var n = 0; n <= QmpEventStream.Capacity; n++) await client.SendAsync("{\"event\": \"BLOCK_JOB_READY\"}\n");
            await client.SendAsync($$"""{"return": {}, "id": {{id}}}""" + "\n");
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        using var events = monitor.Subscribe();
        await monitor.ExecuteAsync("query-status", default);
        for (var n = 0; n < QmpEventStream.Capacity; n++) await events.ReadAsync(default);
        Assert.Equal(QmpFailure.Overrun, (await Assert.ThrowsAsync<QmpException>(() => events.ReadAsync(default).AsTask())).Failure);
    }

    [Fact]
    public async Task Waiting_for_an_event_that_does_not_come_names_it()
    {
        await using var fake = FakeMonitor.Ready(client => client.HangAsync());
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        using var events = monitor.Subscribe("MIGRATION");
        var error = await Assert.ThrowsAsync<QmpException>(() => events.WaitAsync(_ => true, Short, default));
        Assert.Contains("MIGRATION", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_a_command_leaves_the_connection_usable()
    {
        using var cancel = new CancellationTokenSource();
        await using var fake = FakeMonitor.Ready(async client =>
        {
            await client.CommandAsync();
            await cancel.CancelAsync();
            await client.AnswerAsync("2");
            await client.HangAsync();
        });
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => monitor.ExecuteAsync("query-status", cancel.Token));
        Assert.Equal(2, (await monitor.ExecuteAsync("query-name", default)).GetInt32());
    }

    [Fact]
    public async Task A_descriptor_passed_to_QEMU_is_the_one_it_writes_to()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var path = Path.Combine(guest.Directory, "stream");
        using (var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write))
        {
            await monitor.SendDescriptorAsync("m", file, default);
        }
        await monitor.ExecuteAsync("stop", default);
        await monitor.ExecuteAsync("migrate", writer => writer.WriteString("uri", "fd:m"), QmpClient.CommandDeadline, default);
        await guest.UntilAsync(() => new FileInfo(path).Length > 100_000);
        Assert.Equal("QEVM"u8.ToArray(), File.ReadAllBytes(path)[..4]);
    }

    private static (QmpFailure, ErrorCode) Kind(QmpException error) => (error.Failure, error.Code);

    private static async Task<QmpException> RefusedAsync(string path)
    {
        var error = await Assert.ThrowsAsync<QmpException>(() => QmpClient.ConnectAsync(path, TimeProvider.System, default));
        Assert.True(error.IsPreflight);
        Assert.NotNull(error.Advice);
        return error;
    }
}
