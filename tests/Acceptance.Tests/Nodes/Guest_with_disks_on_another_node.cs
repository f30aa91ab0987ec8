using Cutpoint.Acceptance.Tests.BadDays;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>
/// A guest that writes numbered blocks to its disk and keeps the last number in its memory, served by a worker that does not see the repository: the overlays of
/// its disk are that worker's to look after, by what coordinators tell it.
/// </summary>
public sealed class Guest_with_disks_on_another_node : BadDay, IAsyncLifetime
{
    private const int SigKill = 9;

    private NodeProcess _worker = null!;
    private NumberedDisk _disk = null!;
    private Guest _guest = null!;

    private string SecretFile => Directory.File("secret");

    public async Task InitializeAsync()
    {
        File.WriteAllText(SecretFile, Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(SecretFile, UnixFileMode.UserRead);
        await InitAsync();
        _worker = await StartWorkerAsync();
        _disk = await NumberedDisk.CreateAsync(Directory.File("disks"), "raw", Cancellation);
        _guest = await BootAsync(new GuestOptions { RamKiB = 131080, ArenaMiB = 4, Numbers = _disk.Drive });
    }

    public async Task DisposeAsync()
    {
        await _guest.DisposeAsync();
        await _worker.DisposeAsync();
    }

    [Fact]
    public async Task Has_its_disk_as_of_the_cut_and_its_worker_merges_what_was_forgotten_when_the_next_coordinator_comes()
    {
        await Cutpoint.QueryAsync(Cancellation, "take", _worker.Guest(_guest.Uri), "--secret-file", SecretFile);
        await _guest.Serial.WaitForBlocksAsync(_guest.Serial.LastBlock + 3, Cancellation);
        await LatestHasItsDiskAsync(await _disk.LastBlockAsync(Cancellation));

        await Cutpoint.QueryAsync(Cancellation, "forget", "latest");
        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        await Cutpoint.QueryAsync(Cancellation, "take", _worker.Guest(_guest.Uri), "--secret-file", SecretFile);

        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        Assert.Single(_disk.Overlays());
        Assert.Empty(_guest.Serial.Complaints);
    }

    [Fact]
    public async Task Loses_nothing_when_its_worker_or_the_coordinator_is_killed_after_the_disks_were_frozen()
    {
        await using (var take = await DrainingAsync("zstd:19"))
        {
            _worker.Signal(SigKill);
            IsOneClearError(await take.EndAsync(Cancellation), 8, _worker.Address);
        }
        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        await _worker.DisposeAsync();
        _worker = await StartWorkerAsync();
        // Nobody has told the new one yet what became of the job.
        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));

        // What is left of it is compressed once more by the resume.
        await using (var take = await DrainingAsync("zstd:15"))
        {
            take.Signal(SigKill);
            await take.EndAsync(Cancellation);
        }
        await _worker.HearAsync("every guest is put back", Cancellation);
        // The overlay of the first is merged, that of the second stays: its checkpoint may be there, as far as the worker knows.
        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        var jobs = (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray().Select(job => (string)job!["id"]!).ToList();
        Assert.Equal(2, jobs.Count);
        await Cutpoint.QueryAsync(Cancellation, "resume", jobs[1], "--secret-file", SecretFile);

        Assert.Equal(2, await NumberedDisk.DepthAsync(_guest, Cancellation));
        Assert.Single(_disk.Overlays());
        await _guest.Serial.WaitForBlocksAsync(_guest.Serial.LastBlock + 3, Cancellation);
        Assert.Empty(_guest.Serial.Complaints);
        await LatestHasItsDiskAsync(await _disk.LastBlockAsync(Cancellation));
    }

    private Task<NodeProcess> StartWorkerAsync() => NodeProcess.StartWorkerAsync(Directory.File("worker"), SecretFile, Cancellation);

    /// <summary>
    /// A take that has all of the guest's memory in its cut buffer and has yet to compress it, which takes a good codec long: the cut is behind it and the end is far.
    /// </summary>
    private async Task<RunningTake> DrainingAsync(string codec)
    {
        var take = RunningTake.Start(
            Cutpoint, _worker.Guest(_guest.Uri), "--secret-file", SecretFile, "--strategy", "stop", "--codec", codec);
        Assert.True(await take.ReachAsync("Draining", Cancellation));
        return take;
    }

    private async Task LatestHasItsDiskAsync(long frozen)
    {
        await using var restored = RestoredGuest.From(await Cutpoint.QueryAsync(Cancellation, "restore", "latest", "--launch"));
        await restored.Serial.WaitForBlocksAsync(frozen + 3, Cancellation);
        Assert.Empty(restored.Serial.Complaints);
        Assert.InRange(restored.Serial.Blocks[0], frozen, frozen + 1);
    }
}
