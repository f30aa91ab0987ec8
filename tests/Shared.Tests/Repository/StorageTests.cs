using System.Diagnostics;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Xunit.Abstractions;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>A disk that is full or cannot be written. Needs the right to mount; without it the tests say so and end.</summary>
public class StorageTests(ITestOutputHelper output)
{
    private static readonly RamBlock Ram = new("ram", 12 << 20);

    [Fact]
    public async Task A_full_disk_is_told_lists_nothing_and_gives_its_space_back()
    {
        using var mount = TryMount("3m");
        if (mount is null) return;
        await using var repository = await DirectoryRepository.InitAsync(
            RepositoryLocation.Parse(mount.File("r")), TimeProvider.System, default);
        using var small = new GuestModel(1, new RamBlock("ram", 1 << 18)).Fill(50);
        var kept = await small.TakeAsync(repository);
        using var model = new GuestModel(2, Ram).Fill(100);
        for (var round = 0; round < 3; round++)
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(() => model.TakeAsync(repository));
            Assert.Equal(ErrorCode.NoSpace, error.Code);
            Assert.Contains("no space left to write", error.Message, StringComparison.Ordinal);
            Assert.Contains("gc", error.Advice, StringComparison.Ordinal);
            Assert.Equal(kept.Id, Assert.Single(await repository.ListAsync(default)).Id);
            Assert.Single(Directory.GetFiles(mount.File("r/packs")));
        }
        Assert.True((await repository.VerifyAsync(new VerifyOptions(), null, default)).IsSound);
        await small.TakeAsync(repository);
    }

    [Fact]
    public async Task A_disk_that_fills_up_at_any_moment_of_a_job_never_leaves_a_half_checkpoint()
    {
        using var mount = TryMount("4m");
        if (mount is null) return;
        await using var repository = await DirectoryRepository.InitAsync(
            RepositoryLocation.Parse(mount.File("r")), TimeProvider.System, default);
        using var model = new GuestModel(3, new RamBlock("ram", 1 << 18)).Fill(100);
        var failures = 0;
        var filler = mount.File("filler");
        for (var free = 0; free <= 400_000; free += 20_000)
        {
            model.FillPage(0, 1);
            var listed = (await repository.ListAsync(default)).Count;
            Fill(filler, free);
            try
            {
                await model.TakeAsync(repository, new CheckpointOptions { PackSize = 1 << 16 });
                listed++;
            }
            catch (SnapshotException error) when (error.Code == ErrorCode.NoSpace)
            {
                failures++;
            }
            File.Delete(filler);
            Assert.Equal(listed, (await repository.ListAsync(default)).Count);
            Assert.True((await repository.VerifyAsync(new VerifyOptions(), null, default)).IsSound);
            foreach (var one in await repository.ListAsync(default)) await repository.ForgetAsync(one.Id, default);
            await repository.CollectGarbageAsync(false, default);
            Assert.Empty(Directory.GetFiles(mount.File("r/packs")));
        }
        Assert.InRange(failures, 3, 20);
    }

    [Fact]
    public async Task A_repository_that_cannot_be_written_can_be_read()
    {
        using var mount = TryMount("24m");
        if (mount is null) return;
        var location = RepositoryLocation.Parse(mount.File("r"));
        using var model = new GuestModel(4, Ram).Fill(50);
        await using (var repository = await DirectoryRepository.InitAsync(location, TimeProvider.System,
            default)) await model.TakeAsync(repository);
        await File.WriteAllBytesAsync(mount.File("r/catalog.db-wal"), [1, 2, 3]);
        mount.Remount("ro");
        var unclean = await Assert.ThrowsAsync<SnapshotException>(
            async () => await DirectoryRepository.OpenAsync(location, TimeProvider.System, default));
        Assert.Contains("open the repository once where it can be written", unclean.Advice, StringComparison.Ordinal);
        mount.Remount("rw");
        File.Delete(mount.File("r/catalog.db-wal"));
        mount.Remount("ro");
        await using var open = await DirectoryRepository.OpenAsync(location, TimeProvider.System, default);
        Assert.True(open.IsReadOnly);
        var taken = await open.ResolveAsync("latest", default);
        await using (var reader = await open.OpenCheckpointAsync(taken, default)) await model.AssertEqualAsync(reader.Guest(null));
        Assert.True((await open.VerifyAsync(new VerifyOptions(), null, default)).IsSound);
        Assert.Empty(await open.ExamineAsync(default));
        foreach (var act in (Func<Task>[])[
            async () => await open.BeginAsync(new CheckpointOptions(), default),
            async () => await open.ForgetAsync(taken.Id, default),
            () => open.CollectGarbageAsync(false, default),
            () => DirectoryRepository.RepairAsync(location, TimeProvider.System, default)])
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(act);
            Assert.Contains("read-only", error.Message, StringComparison.Ordinal);
        }
        var init = await Assert.ThrowsAsync<SnapshotException>(
            async () => await DirectoryRepository.InitAsync(RepositoryLocation.Parse(mount.File("other")), TimeProvider.System, default));
        Assert.Contains("read-only", init.Message, StringComparison.Ordinal);
    }

    private Mount? TryMount(string size)
    {
        var mount = Mount.TryTmpfs(size);
        if (mount is null) output.WriteLine("not run: this user may not mount a file system");
        return mount;
    }

    /// <summary>Leaves so many octets free.</summary>
    private static void Fill(string path, long free)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var available = new DriveInfo(Path.GetDirectoryName(path)!).AvailableFreeSpace - free;
        var zeros = new byte[4096];
        for (long written = 0; written + 4096 <= available; written += 4096) file.Write(zeros);
    }

    private sealed class Mount : IDisposable
    {
        private readonly TemporaryDirectory _directory = new();

        public static Mount? TryTmpfs(string size)
        {
            var mount = new Mount();
            if (Run("mount", "-t", "tmpfs", "-o", $"size={size},mode=700", "tmpfs", mount._directory)) return mount;
            mount._directory.Dispose();
            return null;
        }

        public string File(string name) => _directory.File(name);

        public void Remount(string mode) => Assert.True(Run("mount", "-o", $"remount,{mode}", _directory));

        public void Dispose()
        {
            Assert.True(Run("umount", _directory));
            _directory.Dispose();
        }

        private static bool Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
