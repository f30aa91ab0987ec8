using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Launch;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Tests.Qemu.Launch;

public sealed class QemuIncomingTests
{
    private static readonly Dictionary<string, string> NoFiles = [];
    private static readonly string[] SharedRam =
        ["-m", "16", "-object", "memory-backend-file,id=ram0,size=16M,mem-path=ram.bin,share=on", "-machine", "pc,memory-backend=ram0"];

    [Theory]
    [InlineData("private", "-m", "16", "-machine", "pc")]
    [InlineData("file", "-m", "16", "-object", "memory-backend-file,id=ram0,size=16M,mem-path=ram.bin,share=on",
        "-machine", "q35,memory-backend=ram0")]
    [InlineData("memfd", "-m", "16", "-object", "memory-backend-memfd,id=ram0,size=16M,share=on", "-machine", "pc,memory-backend=ram0")]
    [InlineData("old machine", "-m", "16", "-object", "memory-backend-file,id=ram0,size=16M,mem-path=ram.bin,share=on",
        "-machine", "pc-i440fx-2.8,memory-backend=ram0")]
    public async Task A_guest_goes_on_from_its_RAM_file_where_it_was_stopped(string kind, params string[] machine)
    {
        await using var captured = await CaptureAsync(machine, ramInFile: kind != "private");
        await using var launched = await LaunchAsync(captured, shared: false);
        await using var incoming = launched.Incoming;
        await launched.LoadAsync(captured);
        var resume = await incoming.ContinueAsync(default);
        Assert.NotNull(resume);
        var guest = await incoming.ReleaseAsync(default);
        Assert.Equal(("running", true), (guest.Status.Name, guest.Status.Running));
        await launched.Guest.WaitUntilItCountsPastAsync(captured.Counter);
        Assert.Equal(0, await launched.Guest.VerifyAsync());
    }

    [Fact]
    public async Task RAM_that_was_given_by_size_alone_is_taken_from_a_file()
    {
        // The same machine with private RAM: its block has the same name, so the state fits.
        await using var captured = await CaptureAsync(
            ["-m", "16", "-object", "memory-backend-ram,id=pc.ram,size=16M,share=on", "-machine", "pc,memory-backend=pc.ram"],
            ramInFile: true);
        string[] words = [.. captured.Guest.CommandLine];
        words[Array.IndexOf(words, "pc,memory-backend=pc.ram")] = "pc";
        var at = Array.IndexOf(words, "-object");
        var plain = captured with { Guest = captured.Guest with { CommandLine = [.. words[..at], .. words[(at + 2)..]] } };
        await using var launched = await LaunchAsync(plain, shared: false);
        await using var incoming = launched.Incoming;
        await launched.LoadAsync(plain);
        await incoming.ContinueAsync(default);
        await launched.Guest.WaitUntilItCountsPastAsync(captured.Counter);
        Assert.Equal(0, await launched.Guest.VerifyAsync());
    }

    [Fact]
    public async Task One_RAM_file_starts_two_clones_and_stays_as_it_is()
    {
        await using var captured = await CaptureAsync(SharedRam, ramInFile: true);
        var before = File.ReadAllBytes(captured.RamFile);
        await using var first = await LaunchAsync(captured, shared: false);
        await using var second = await LaunchAsync(captured, shared: false);
        foreach (var clone in new[] { first, second })
        {
            await clone.LoadAsync(captured);
            await clone.Incoming.ContinueAsync(default);
        }
        await first.Guest.WaitUntilItCountsPastAsync(captured.Counter);
        await second.Guest.WaitUntilItCountsPastAsync(captured.Counter);
        Assert.Equal(0, await second.Guest.VerifyAsync());
        Assert.Equal(before, File.ReadAllBytes(captured.RamFile));
        await first.Incoming.DisposeAsync();
        await second.Incoming.DisposeAsync();
    }

    [Fact]
    public async Task A_guest_that_ran_when_it_was_saved_stands_still_until_it_is_continued()
    {
        // Saved by a migration that stopped it itself, the state says "running".
        await using var captured = await CaptureAsync(["-m", "16"], ramInFile: false, stopFirst: false);
        await using var launched = await LaunchAsync(captured, shared: false);
        await using var incoming = launched.Incoming;
        await launched.LoadAsync(captured);
        var guest = await incoming.ReleaseAsync(default);
        Assert.Equal("paused", guest.Status.Name);
    }

    [Fact]
    public async Task A_guest_restored_with_shared_memory_can_be_captured_directly_again()
    {
        await using var captured = await CaptureAsync(SharedRam, ramInFile: true);
        await using var launched = await LaunchAsync(captured, shared: true);
        await launched.LoadAsync(captured);
        await launched.Incoming.ContinueAsync(default);
        var guest = await launched.Incoming.ReleaseAsync(default);
        await launched.Incoming.DisposeAsync();
        await using var monitor = await QmpClient.ConnectAsync(guest.QmpSocket, TimeProvider.System, default);
        var seen = await QemuPreflight.InspectAsync(monitor, GuestUri.Parse("qemu:" + guest.QmpSocket), default);
        Assert.Equal((QemuRamKind.NamedFile, captured.RamFile), (seen.Backings[0].Kind, seen.Backings[0].Path));
        // Nothing of the restore is left in the guest's settings.
        Assert.All(seen.Capabilities, capability => Assert.False(capability.Value, capability.Key));
        await monitor.ExecuteAsync("quit", default);
    }

    [Fact]
    public async Task A_restore_that_is_given_up_leaves_no_QEMU()
    {
        await using var captured = await CaptureAsync(SharedRam, ramInFile: true);
        var launched = await LaunchAsync(captured, shared: false);
        var process = ProcessIdentity.Of(launched.Incoming.ProcessId!.Value)!.Value;
        await launched.Incoming.DisposeAsync();
        Assert.False(process.IsAlive);
        await launched.DisposeAsync();
    }

    [Fact]
    public async Task A_damaged_state_is_refused_in_QEMUs_own_words()
    {
        await using var captured = await CaptureAsync(SharedRam, ramInFile: true);
        var cut = captured.Stream[..(captured.Stream.Length / 2)];
        await using var launched = await LaunchAsync(captured, shared: false);
        await using var incoming = launched.Incoming;
        var error = await Assert.ThrowsAsync<SnapshotException>(() =>
            incoming.LoadAsync(async (stream, stop) => await stream.WriteAsync(cut, stop), ignoreShared: true, default));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains("QEMU did not accept the guest's state: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("load of migration failed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_QEMU_that_cannot_start_is_reported_in_its_own_words()
    {
        await using var captured = await CaptureAsync(SharedRam, ramInFile: true);
        var broken = captured.Guest with { CommandLine = [.. captured.Guest.CommandLine, "-drive", "file=/nonexistent.img"] };
        var directory = ToyGuest.MakeDirectory();
        var error = await Assert.ThrowsAsync<SnapshotException>(() =>
            QemuIncoming.LaunchAsync(broken, NoFiles, new QemuLaunchOptions { Directory = directory }, default));
        Assert.Contains("/nonexistent.img", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<SnapshotException>(() => QemuIncoming.LaunchAsync(
            captured.Guest, NoFiles, new QemuLaunchOptions { Directory = directory, Program = "/nonexistent/qemu" }, default));
        Assert.Contains("/nonexistent/qemu", error.Message, StringComparison.Ordinal);
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_QEMU_that_waits_already_takes_the_guest_when_it_fits()
    {
        await using var captured = await CaptureAsync(["-m", "16"], ramInFile: false);
        await using var waiting = ToyGuest.Launch("-m", "16", "-incoming", "defer");
        await waiting.UntilItListensAsync();
        await using (var incoming = await QemuIncoming.ConnectAsync(waiting.Socket, captured.Guest, TimeProvider.System, default))
        {
            await incoming.LoadAsync(async (stream, stop) => await stream.WriteAsync(captured.Stream, stop), ignoreShared: false, default);
            await incoming.ContinueAsync(default);
            await incoming.ReleaseAsync(default);
        }
        await waiting.WaitUntilItCountsPastAsync(captured.Counter);
        Assert.Equal(0, await waiting.VerifyAsync());
    }

    [Theory]
    [InlineData("machine type", "-m", "16", "-machine", "q35")]
    [InlineData("CPU model", "-m", "16", "-cpu", "max")]
    [InlineData("CPUs", "-m", "16", "-smp", "2")]
    [InlineData("octets", "-m", "17")]
    [InlineData("vga.vram", "-m", "16", "-device", "VGA")]
    public async Task A_QEMU_that_does_not_fit_is_refused_with_what_differs(string difference, params string[] machine)
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16");
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var description = (await QemuPreflight.InspectAsync(monitor, GuestUri.Parse("qemu:x"), default)).Description;
        await using var waiting = ToyGuest.Launch([.. machine, "-incoming", "defer"]);
        await waiting.UntilItListensAsync();
        var error = await Assert.ThrowsAsync<SnapshotException>(
            () => QemuIncoming.ConnectAsync(waiting.Socket, description, TimeProvider.System, default));
        Assert.Equal((ErrorCode.Incompatible, true), (error.Code, error.IsPreflight));
        Assert.Contains(difference, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_QEMU_that_does_not_wait_for_a_guest_is_refused()
    {
        await using var captured = await CaptureAsync(["-m", "16"], ramInFile: false);
        await using var running = await ToyGuest.StartAsync("-m", "16");
        var error = await Assert.ThrowsAsync<SnapshotException>(
            () => QemuIncoming.ConnectAsync(running.Socket, captured.Guest, TimeProvider.System, default));
        Assert.Contains("does not wait", error.Message, StringComparison.Ordinal);
    }

    private static async Task<Captured> CaptureAsync(string[] machine, bool ramInFile, bool stopFirst = true)
    {
        await using var guest = await ToyGuest.StartAsync(machine);
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        var seen = await QemuPreflight.InspectAsync(session.Monitor, GuestUri.Parse("qemu:" + guest.Socket), default);
        var directory = ToyGuest.MakeDirectory();
        var streamFile = Path.Combine(directory, "stream");
        var ram = seen.Description.Blocks[0];
        var shared = seen.Backings[0].Kind != QemuRamKind.Private;
        await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["x-ignore-shared"] = ramInFile && shared }, default);
        await session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0 }, default);
        using var events = session.Monitor.Subscribe("MIGRATION");
        if (stopFirst) await session.StopAsync(default);
        // All of the toy guest's RAM lies in one piece from 0.
        if (ramInFile) await session.Monitor.HumanMonitorAsync($"pmemsave 0 {ram.Length} \"{directory}/ram\"", default);
        using (var file = File.OpenHandle(streamFile, FileMode.CreateNew, FileAccess.Write))
        {
            await session.SendDescriptorAsync("m", file, default);
        }
        await session.MigrateAsync("m", default);
        await events.WaitAsync(next => next.Text("status") == "completed", TimeSpan.FromMinutes(1), default);
        session.KeepStopped();
        return new Captured(directory, seen.Description, guest.Counter, ramInFile, ramInFile && shared);
    }

    private static async Task<Launched> LaunchAsync(Captured captured, bool shared)
    {
        var directory = ToyGuest.MakeDirectory();
        var files = captured.RamInFile ? new Dictionary<string, string> { [captured.Guest.Blocks[0].Name] = captured.RamFile } : NoFiles;
        // The guest's kernel is looked up again, and the original's directory is gone.
        ToyGuest.WriteKernel(directory);
        var old = captured.Guest.Properties[QemuInspection.DirectoryProperty];
        var guest = captured.Guest with
        {
            CommandLine = [.. captured.Guest.CommandLine.Select(word => word == $"{old}/toy.elf" ? $"{directory}/toy.elf" : word)],
        };
        var options = new QemuLaunchOptions { Directory = directory, SharedMemory = shared };
        var incoming = await QemuIncoming.LaunchAsync(guest, files, options, default);
        return new Launched(incoming, ToyGuest.Adopt(directory, incoming.ProcessId!.Value));
    }

    private sealed record Captured(string Directory, GuestDescription Guest, int Counter, bool RamInFile, bool Ignored) : IAsyncDisposable
    {
        internal string RamFile => Path.Combine(Directory, "ram");

        internal byte[] Stream { get; } = File.ReadAllBytes(Path.Combine(Directory, "stream"));

        public ValueTask DisposeAsync()
        {
            System.IO.Directory.Delete(Directory, recursive: true);
            return ValueTask.CompletedTask;
        }
    }

    private sealed record Launched(QemuIncoming Incoming, ToyGuest Guest) : IAsyncDisposable
    {
        internal Task LoadAsync(Captured captured) =>
            Incoming.LoadAsync(async (stream, stop) => await stream.WriteAsync(captured.Stream, stop), captured.Ignored, default);

        public ValueTask DisposeAsync() => Guest.DisposeAsync();
    }
}
