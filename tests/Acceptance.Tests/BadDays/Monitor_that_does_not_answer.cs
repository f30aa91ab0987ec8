using System.Net.Sockets;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

public sealed class Monitor_that_does_not_answer : BadDay
{
    [Fact]
    public async Task No_such_socket()
    {
        await InitAsync();

        IsOneClearLine(await RunAsync("take", $"qemu:{Directory.File("gone")}"), 10, Directory.File("gone"));

        await NothingIsListedAsync();
    }

    [Fact]
    public async Task A_socket_that_does_not_speak_QMP()
    {
        await InitAsync();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Directory.File("other")));
        listener.Listen();
        var serving = Task.Run(async () =>
        {
            using var client = await listener.AcceptAsync(Cancellation);
            await client.SendAsync("220 mail.example ESMTP\r\n"u8.ToArray());
        });

        IsOneClearLine(await RunAsync("take", $"qemu:{Directory.File("other")}"), 6, Directory.File("other"));

        await serving;
    }

    [Fact]
    public async Task A_monitor_that_another_client_uses()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        using (await QmpProbe.ConnectAsync(guest.Monitor, Cancellation))
            IsOneClearLine(await RunAsync("take", guest.Uri), 11, guest.Monitor);

        await NothingIsListedAsync();
        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task A_QEMU_that_stalls()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        using (var qemu = System.Diagnostics.Process.GetProcessById(guest.ProcessId))
        {
            CutpointProgram.Signal(qemu, 19);
            var result = await RunAsync("take", guest.Uri);
            CutpointProgram.Signal(qemu, 18);
            Assert.NotEqual(0, result.ExitCode);
            IsOneClearLine(result, result.ExitCode, guest.Monitor);
        }

        await NothingIsListedAsync();
        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task A_QEMU_that_stalls_in_the_middle()
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions { Ram = GuestRam.Private });
        await using var take = RunningTake.Start(Cutpoint, guest.Uri, "--codec", "zstd:19");
        Assert.True(await take.ReachAsync("Live", Cancellation));
        CutpointResult result;
        using (var qemu = System.Diagnostics.Process.GetProcessById(guest.ProcessId))
        {
            CutpointProgram.Signal(qemu, 19);
            result = await take.EndAsync(Cancellation);
            CutpointProgram.Signal(qemu, 18);
        }

        IsOneClearError(result, 1, guest.Monitor);
        await NothingIsListedAsync();
        await RunsOnUnchangedAsync(guest);
    }

    [Theory]
    [InlineData("direct", "x-ignore-shared", "--transport", "direct")]
    [InlineData("background", "background-snapshot", "--transport", "stream", "--strategy", "background")]
    public async Task A_QEMU_that_is_too_old_for(string what, string capability, params string[] asked)
    {
        await InitAsync();
        await using var guest = await BootAsync();
        await using var older = new OlderMonitor(Directory.File(what), guest.Monitor, new Version(3, 1, 0), "x-ignore-shared", "background-snapshot");

        var result = await RunAsync(["take", $"qemu:{Directory.File(what)}", .. asked]);

        IsOneClearLine(result, 6, "QEMU 3.1.0");
        Assert.Contains(capability, result.Error, StringComparison.Ordinal);
        await NothingIsListedAsync();
        Assert.Equal("running", await guest.StatusAsync(Cancellation));
    }

    [Fact]
    public async Task A_guest_with_a_device_that_cannot_be_migrated()
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions
        {
            RamKiB = 98312,
            Extra = ["-object", "memory-backend-ram,size=1M,id=shm,share=on", "-device", "ivshmem-plain,memdev=shm,master=off"],
        });

        IsOneClearLine(await RunAsync("take", guest.Uri), 6, "ivshmem");

        await NothingIsListedAsync();
        Assert.Equal("running", await guest.StatusAsync(Cancellation));
    }

    [Fact]
    public async Task A_guest_that_is_being_migrated()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        using (var probe = await QmpProbe.ConnectAsync(guest.Monitor, Cancellation))
        {
            await probe.ExecuteAsync("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = 40960 }, Cancellation);
            await probe.ExecuteAsync("migrate", new JsonObject { ["uri"] = "exec:cat > /dev/null" }, Cancellation);
        }

        var result = await RunAsync("take", guest.Uri);

        Assert.NotEqual(0, result.ExitCode);
        IsOneClearLine(result, result.ExitCode, "migrat");
        await NothingIsListedAsync();
        using (var probe = await QmpProbe.ConnectAsync(guest.Monitor, Cancellation))
        {
            Assert.Equal("active", (string?)(await probe.ExecuteAsync("query-migrate", null, Cancellation))!["status"]);
            await probe.ExecuteAsync("migrate_cancel", null, Cancellation);
        }
    }
}
