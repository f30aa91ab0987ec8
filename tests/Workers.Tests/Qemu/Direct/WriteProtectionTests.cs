using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Direct;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Preflight;
using Cutpoint.Workers.Tests.Capture;

namespace Cutpoint.Workers.Tests.Qemu.Direct;

/// <summary>A real QEMU with the toy guest, whose writes to a memfd the kernel notes.</summary>
public sealed class WriteProtectionTests
{
    private const long Length = 17 << 20;

    [Fact]
    public async Task The_pause_reads_only_what_the_kernel_says_was_written()
    {
        await using var guest = await StartAsync();
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.TakeAsync($"qemu:{guest.Socket}");
        Assert.EndsWith("dirty pages by write protection", run.Opened.Reason, StringComparison.Ordinal);
        // The toy writes to a part of 2 MiB; a look at every page would be one at 17 MiB.
        Assert.InRange(run.FinalPass.PagesRead, 1, Length / Paging.PageSize / 2);
        Assert.Equal(0, await guest.VerifyAsync());
        Assert.False(IsProtected(guest.ProcessId));
    }

    [Fact]
    public async Task By_page_hashes_when_asked()
    {
        await using var guest = await StartAsync();
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.TakeAsync($"qemu:{guest.Socket}", new CaptureOptions { Tracking = DirtyTracking.Hashes, FreezeLimit = ToyGuest.FreezeLimit });
        Assert.EndsWith("dirty pages by page hashes", run.Opened.Reason, StringComparison.Ordinal);
        Assert.Empty(Descriptors(guest.ProcessId));
    }

    [Fact]
    public async Task A_write_by_another_process_that_has_mapped_the_memory_fails_the_checkpoint_and_the_guest_runs_on()
    {
        await using var guest = await StartAsync();
        using var file = new FileStream(RamOf(guest), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        using var memory = mapping.CreateViewAccessor();
        var writing = new Interruption("stopped", 1, () =>
        {
            memory.Write(Length - Paging.PageSize, 1);
            return Task.CompletedTask;
        });
        await using var run = await CaptureRun.StartAsync(writing.Around(new QemuDriver(guest.SessionOptions, TimeProvider.System)));

        var error = await Assert.ThrowsAsync<SnapshotException>(() => run.TakeAsync($"qemu:{guest.Socket}"));

        Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        Assert.Contains("RAM block 'ram0': 1 pages were written past write protection, the first of them page 4351", error.Message, StringComparison.Ordinal);
        Assert.Contains("--tracking hashes", error.Advice, StringComparison.Ordinal);
        Assert.Null((await run.CloseAsync()).Trouble);
        await guest.WaitUntilItCountsAsync();
        Assert.False(IsProtected(guest.ProcessId));
    }

    [Fact]
    public async Task Who_has_the_memory_mapped_beside_QEMU_is_found()
    {
        await using var guest = await StartAsync();
        using var ram = SharedRam.Open("ram0", RamOf(guest), 0, Length);
        var inodes = new HashSet<ulong> { ram.Inode };
        // Processes of hosts around a container are not seen from within.
        Assert.Equal(new FileInfo("/proc/self/ns/pid").LinkTarget == "pid:[4026531836]", MemorySharers.AreExcluded(guest.ProcessId, inodes, default));
        using var file = new FileStream(RamOf(guest), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        using (mapping.CreateViewAccessor()) Assert.False(MemorySharers.AreExcluded(guest.ProcessId, inodes, default));
        Assert.Null(MemorySharers.DeviceOf(guest.ProcessId));
    }

    [Fact]
    public void Memory_is_told_by_its_file_also_when_that_has_lost_its_name()
    {
        var path = Path.GetTempFileName();
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        file.SetLength(Paging.PageSize);
        using var ram = SharedRam.Open("ram0", path, 0, Paging.PageSize);
        using var mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        using var memory = mapping.CreateViewAccessor();
        File.Delete(path);
        Assert.Contains(File.ReadLines("/proc/self/maps"), line => ProcessMap.TryParse(line) is { IsShared: true } mapped && mapped.Inode == ram.Inode);
    }

    [Fact]
    public async Task What_a_killed_capture_leaves_is_found_again_by_the_next_one_and_taken_off_by_a_recovery()
    {
        await using var guest = await StartAsync();
        using var ram = SharedRam.Open("ram0", RamOf(guest), 0, Length);
        var map = ProcessMap.TryRead(guest.ProcessId)!;
        var (killed, _) = await WriteProtectTracker.TryCreateAsync(ram, guest.ProcessId, map, Make);
        killed!.BeginPass();
        Assert.True(IsProtected(guest.ProcessId));
        var (next, why) = await WriteProtectTracker.TryCreateAsync(ram, guest.ProcessId, map, Make);
        Assert.Null(why);
        Assert.Single(Descriptors(guest.ProcessId));

        WriteProtection.EndTracking(guest.ProcessId);

        Assert.False(IsProtected(guest.ProcessId));
        var error = Assert.Throws<SnapshotException>(() => next!.BeforeFirstRead(0, 0));
        Assert.Contains("--tracking hashes", error.Advice, StringComparison.Ordinal);
        await guest.WaitUntilItCountsAsync();
        killed.Dispose();
        next!.Dispose();
    }

    [Fact]
    public async Task Pages_stay_named_until_a_pass_has_come_to_its_end()
    {
        await using var guest = await StartAsync();
        using var ram = SharedRam.Open("ram0", RamOf(guest), 0, Length);
        var (tracker, _) = await WriteProtectTracker.TryCreateAsync(
            ram, guest.ProcessId, ProcessMap.TryRead(guest.ProcessId)!, Make);
        using (tracker)
        {
            tracker!.BeginPass();
            Assert.Equal(Length / Paging.PageSize, Named(tracker, ram));
            tracker.BeforeFirstRead(0, ram.ExtentCount - 1);
            tracker.BeginPass();
            Assert.Equal(Length / Paging.PageSize, Named(tracker, ram));
            tracker.EndPass();
            await guest.WaitUntilItCountsAsync();
            var pending = tracker.Pending()!.PageCount;
            Assert.InRange(pending, 1, Length / Paging.PageSize / 2);
            tracker.BeginPass();
            Assert.InRange(Named(tracker, ram), pending, Length / Paging.PageSize / 2);
        }
    }

    [Fact]
    public async Task A_process_that_does_not_wait_for_events_is_left_as_it_is()
    {
        using var process = Process.Start("sleep", "600");
        try
        {
            var (descriptor, why) = await FaultDescriptor.GetAsync(process.Id, Make);
            Assert.Null(descriptor);
            Assert.Equal("QEMU's main thread is never at rest", why);
            Assert.Contains("TracerPid:\t0", File.ReadAllLines($"/proc/{process.Id}/status"));
            Assert.StartsWith("S", File.ReadLines($"/proc/{process.Id}/status").Single(line => line.StartsWith("State:", StringComparison.Ordinal))["State:\t".Length..], StringComparison.Ordinal);
            Assert.Empty(Descriptors(process.Id));
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task QEMU_s_own_sandbox_is_no_obstacle_and_a_filter_of_somebody_else_is()
    {
        await using var guest = await StartAsync("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        Assert.Contains("Seccomp_filters:\t1", File.ReadAllLines($"/proc/{guest.ProcessId}/status"));
        await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        await run.TakeAsync($"qemu:{guest.Socket}");
        Assert.EndsWith("dirty pages by write protection", run.Opened.Reason, StringComparison.Ordinal);
        Assert.Equal(0, await guest.VerifyAsync());

        // One filter more than QEMU makes for its option.
        await using var other = await StartAsync("-sandbox", "on", "-sandbox", "on");
        var (descriptor, why) = await FaultDescriptor.GetAsync(other.ProcessId, Make);
        Assert.Null(descriptor);
        Assert.Equal("QEMU runs under a filter of system calls that may end it for this one", why);
    }

    [Fact]
    public async Task A_disk_that_is_read_past_the_cache_has_its_guest_taken_by_page_hashes()
    {
        var image = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(image, new byte[1 << 20]);
            await using var guest = await StartAsync(
                "-drive", $"file={image},format=raw,if=none,id=d0,read-only=on,cache=none", "-device", "virtio-blk-pci,drive=d0");
            await using var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
            await run.TakeAsync($"qemu:{guest.Socket}");
            Assert.Contains("dirty pages by page hashes (no write protection: disk 'd0' is read past the host's cache", run.Opened.Reason, StringComparison.Ordinal);
            Assert.Empty(Descriptors(guest.ProcessId));
        }
        finally
        {
            File.Delete(image);
        }
    }

    private static Task<int> Make(int process) => TestProgram.Guard.MakeFaultDescriptorAsync(process, TimeProvider.System);

    private static Task<ToyGuest> StartAsync(params string[] more) => ToyGuest.StartAsync(
        ["-object", "memory-backend-memfd,id=ram0,size=17M,share=on", "-machine", "pc,memory-backend=ram0", "-m", "17M", .. more]);

    private static string RamOf(ToyGuest guest) => Directory.EnumerateFiles($"/proc/{guest.ProcessId}/fd")
        .First(f => File.ResolveLinkTarget(f, false)?.FullName.Contains("memfd:memory-backend-memfd", StringComparison.Ordinal) == true);

    private static IEnumerable<string> Descriptors(int process) => Directory.EnumerateFileSystemEntries(
        string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd")).Where(link => new FileInfo(link).LinkTarget == "anon_inode:[userfaultfd]");

    private static bool IsProtected(int process) => File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/smaps"))
        .Any(line => line.StartsWith("VmFlags:", StringComparison.Ordinal) && line.Split(' ').Contains("uw"));

    private static long Named(WriteProtectTracker tracker, SharedRam ram) =>
        Enumerable.Range(0, ram.ExtentCount).Sum(extent => (long)System.Numerics.BitOperations.PopCount(tracker.MayHaveChanged(extent)));
}
