using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Acceptance.Tests.Resume;

/// <summary>
/// A job on a reference guest runs once. At every journal append, after every section and around the commit the repository is copied as it is on the disk:
/// each copy is what a kill at that moment leaves. Then each copy gets a process that goes on with it.
/// </summary>
public sealed class Job_killed_at_every_step : IDisposable
{
    private const string Uri = "reference:guest?ram=96MiB&zero=10&random=60&seed=7";
    private const long MiB = 1 << 20;

    /// <summary>What may be stored again: 64 MiB or a hundredth. The job says every 16 MiB where its pages are, so it keeps to less.</summary>
    private const long MostStoredAgain = 24 * MiB;

    private readonly TemporaryDirectory _directory = new();
    private readonly ReferenceDriver _driver = new(TimeProvider.System);
    private readonly SemaphoreSlim _copying = new(1);
    private readonly List<(string Step, string Path)> _images = [];

    private ReferenceGuest Guest => _driver.Guest(GuestUri.Parse(Uri));

    [Fact]
    public async Task goes_on_from_what_is_durable_and_ends_in_one_whole_checkpoint()
    {
        Ulid job;
        long whole;
        await using (var node = await SimulatedNode.OpenAsync(_directory.File("original"), _driver))
        {
            node.Reached = step => CopyAsync(step, _directory.File("original"));
            var done = await node.TakeAsync(Uri);
            Assert.Equal(JobPhase.Committed, done.Phase);
            Assert.True(Ulid.TryParse(done.Plan.JobId, out job));
            whole = node.WrittenBytes;
        }
        Tear();
        Assert.InRange(_images.Count, 30, 200);
        var tried = 0;

        foreach (var (step, image) in _images)
        {
            // Some pages are others by the time somebody goes on.
            Guest.Run(20);
            await using var node = await SimulatedNode.OpenAsync(image, _driver);
            await IsWholeAsync(node, step);
            var open = (await node.Repository.ListJobsAsync(default)).SingleOrDefault(one => one.Id == job);
            if (open is not { IsInterrupted: true })
            {
                // Nothing was stored yet, or everything is told: there is nothing to go on with.
                Assert.True(open is null || open.StoredBytes == 0, $"{step}: what was stored is lost");
                continue;
            }
            var before = open.StoredBytes;
            tried++;

            var resumed = await node.ResumeAsync(job);

            Assert.True(resumed.Phase == JobPhase.Committed, $"{step}: {resumed.Error}");
            Assert.True(Guest.IsRunning, $"{step}: the guest is paused");
            var again = before + node.WrittenBytes - whole;
            Assert.True(again <= MostStoredAgain, $"{step}: {again / MiB} MiB were stored again");
            Assert.Equal(job, Assert.Single(await node.Repository.ListAsync(default)).Id);
            await IsWholeAsync(node, step);
            Assert.Empty(await node.Repository.ListJobsAsync(default));
            Directory.Delete(image, recursive: true);
        }
        Assert.InRange(tried, 25, 200);
    }

    public void Dispose()
    {
        _driver.Dispose();
        _copying.Dispose();
        _directory.Dispose();
    }

    /// <summary>Whatever is listed can be read to its last octet.</summary>
    private static async Task IsWholeAsync(SimulatedNode node, string step)
    {
        var report = await node.Repository.VerifyAsync(new VerifyOptions(), null, default);
        Assert.True(report.Findings.Count == 0, $"{step}: {string.Join("; ", report.Findings)}");
    }

    private async Task CopyAsync(string step, string repository)
    {
        await _copying.WaitAsync();
        try
        {
            var image = _directory.File($"image-{_images.Count}");
            Copy(repository, image);
            _images.Add((step, image));
        }
        finally
        {
            _copying.Release();
        }
    }

    /// <summary>Two moments no hook can reach: the power went while the last octets were on their way, and the commit record was on the disk and the catalog not.</summary>
    private void Tear()
    {
        var (_, before) = _images.Single(image => image.Step == "before the commit");
        var (_, after) = _images.Single(image => image.Step == "after the commit");
        var unlisted = _directory.File("unlisted");
        Copy(after, unlisted);
        foreach (var file in Directory.GetFiles(before, "catalog.db*")) File.Copy(file, Path.Combine(unlisted, Path.GetFileName(file)), overwrite: true);
        _images.Add(("between commit record and catalog", unlisted));

        var (_, half) = _images.Where(image => image.Step == "after a section").ElementAt(12);
        var torn = _directory.File("torn");
        Copy(half, torn);
        var pack = Directory.GetFiles(Path.Combine(torn, "packs")).Order().Last();
        using (var file = File.OpenHandle(pack, FileMode.Open, FileAccess.ReadWrite)) RandomAccess.SetLength(file, RandomAccess.GetLength(file) - 12345);
        _images.Add(("torn in the middle of a section", torn));
    }

    /// <summary>By another process: one that opens and closes a file under its own SQLite takes its locks away.</summary>
    private static void Copy(string from, string to)
    {
        using var copy = System.Diagnostics.Process.Start("cp", ["-a", from, to]);
        copy.WaitForExit();
        Assert.Equal(0, copy.ExitCode);
    }
}
