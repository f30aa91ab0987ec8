using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>Two workers, each a process of its own that serves one guest of a group, and what becomes of the group when one of the processes dies or hangs.</summary>
public sealed class Group_on_several_nodes() : BadDays.BadDay, IAsyncLifetime
{
    private const int SigInt = 2, SigKill = 9, SigTerm = 15, SigCont = 18, SigStop = 19;
    private const string Large = "?ram=512MiB&dirty=1000";

    /// <summary>For a job that is resumed: what was not stored is compressed once more.</summary>
    private const string Small = "?ram=64MiB&dirty=1000";

    private NodeProcess _one = null!;
    private NodeProcess _two = null!;

    private string SecretFile => Directory.File("secret");

    public async Task InitializeAsync()
    {
        File.WriteAllText(SecretFile, Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(SecretFile, UnixFileMode.UserRead);
        await InitAsync();
        _one = await NodeProcess.StartWorkerAsync(Directory.File("one"), SecretFile, Cancellation);
        _two = await NodeProcess.StartWorkerAsync(Directory.File("two"), SecretFile, Cancellation);
    }

    public async Task DisposeAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    [Fact]
    public async Task Real_guests_are_taken_at_one_cut_over_either_transport_and_come_back()
    {
        var options = new GuestOptions { RamKiB = 98312, ArenaMiB = 8 };
        NumberedDisk[] disks =
        [
            await NumberedDisk.CreateAsync(Directory.File("d1"), "raw", Cancellation),
            await NumberedDisk.CreateAsync(Directory.File("d2"), "qcow2", Cancellation),
        ];
        var guests = await Task.WhenAll(
            Guest.BootAsync(options with { Numbers = disks[0].Drive }, Directory.File("g1"), Cancellation),
            Guest.BootAsync(options with { Ram = GuestRam.Private, Numbers = disks[1].Drive }, Directory.File("g2"), Cancellation));
        await using var first = guests[0];
        await using var second = guests[1];

        var taken = await TakeAsync(first.Uri, second.Uri, "--freeze-limit", "20s");

        Assert.Equal(["direct", "stream"], taken["guests"]!.AsArray().Select(guest => (string)guest!["transport"]!));
        IsOneCut(taken);
        foreach (var guest in guests)
        {
            Assert.Equal("running", await guest.StatusAsync(Cancellation));
            await guest.Serial.WaitForCountsAsync(guest.Serial.Counts.Count + 2, Cancellation);
            Assert.Empty(guest.Serial.Complaints);
        }
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        Assert.All(disks, disk => Assert.Single(disk.Overlays()));
        foreach (var guest in guests) await guest.KillAsync();
        foreach (var restored in RestoredGuest.AllFrom(await Cutpoint.QueryAsync(Cancellation, "restore", "latest", "--launch")))
        {
            await using var back = restored;
            await back.Serial.WaitForCountsAsync(2, Cancellation);
            Assert.Empty(back.Serial.Complaints);
        }
    }

    [Fact]
    public async Task A_second_take_stores_only_what_has_changed()
    {
        const string Quiet = "?ram=64MiB&dirty=0";
        await TakeAsync("reference:a" + Quiet, "reference:b" + Quiet);

        var again = await TakeAsync("reference:a" + Quiet, "reference:b" + Quiet);

        IsOneCut(again);
        Assert.All(again["guests"]!.AsArray(), guest => Assert.InRange((long)guest!["storedBytes"]!, 0, 256 << 10));
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
    }

    [Fact]
    public async Task A_job_whose_worker_is_killed_goes_on_when_it_is_back_and_stores_nothing_twice()
    {
        // The codec is slow, so that the job is far from its end when much of the guest is stored.
        await using var take = RunningTake.Start(
            Cutpoint, _one.Guest("reference:a?ram=8MiB&dirty=0"), _two.Guest("reference:b?ram=256MiB&dirty=0&seed=7"), "--secret-file", SecretFile, "--codec", "zstd:12");
        Assert.True(await take.ReachAsync("Live", Cancellation));
        while (await JobAsync() is var open && (long)open["storedBytes"]! < 32 << 20 && (string?)open["phase"] == "Live") await Task.Delay(20, Cancellation);
        _two.Signal(SigKill);
        IsOneClearError(await take.EndAsync(Cancellation), 8, _two.Address);
        await _one.HearAsync("every guest is put back", Cancellation);
        var left = await JobAsync();
        Assert.Equal("Interrupted", (string?)left["phase"]);
        var job = (string)left["id"]!;
        var kept = Packs();

        IsOneClearError(await RunAsync("resume", job, "--secret-file", SecretFile, "--json"), 8, _two.Address);
        await _two.DisposeAsync();
        _two = await NodeProcess.StartAgainAsync(_two, Directory.File("two"), SecretFile, Cancellation);
        var taken = await Cutpoint.QueryAsync(Cancellation, "resume", job, "--secret-file", SecretFile);

        IsOneCut(taken);
        const int Slack = 4 << 20;
        Assert.InRange(kept.Values.Sum(), 3 * Slack, long.MaxValue);
        Assert.Superset(kept.Keys.ToHashSet(), Packs().Keys.ToHashSet());
        Assert.InRange(Packs().Values.Sum(), kept.Values.Sum(), taken["guests"]!.AsArray().Sum(guest => (long)guest!["storedBytes"]!) + Slack);
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
    }

    [Fact]
    public async Task A_worker_that_hangs_is_given_up_when_its_lease_is_over_and_finds_itself_fenced_out_when_it_wakes()
    {
        await using var take = await LiveAsync(Small);
        _two.Signal(SigStop);

        var ended = await take.EndAsync(Cancellation);

        IsOneClearError(ended, 8, _two.Address);
        Assert.Contains("lease is over", ended.Output, StringComparison.Ordinal);
        _two.Signal(SigCont);
        await _two.HearAsync("every guest is put back", Cancellation);
        IsOneCut(await Cutpoint.QueryAsync(Cancellation, "resume", await JobIdAsync(), "--secret-file", SecretFile));
    }

    [Fact]
    public async Task A_worker_nobody_ever_reached_ends_the_job()
    {
        _two.Signal(SigKill);
        await _two.EndAsync(Cancellation);

        IsOneClearLine(await RunAsync("take", _one.Guest("reference:a"), _two.Guest("reference:b"), "--secret-file", SecretFile), 11, _two.Address);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_coordinator_that_is_killed_leaves_every_guest_put_back_and_a_job_that_can_be_resumed()
    {
        await using var take = await LiveAsync(Small);
        take.Signal(SigKill);
        await take.EndAsync(Cancellation);
        await _one.HearAsync("every guest is put back", Cancellation);
        await _two.HearAsync("every guest is put back", Cancellation);

        IsOneCut(await Cutpoint.QueryAsync(Cancellation, "resume", await JobIdAsync(), "--secret-file", SecretFile));

        Assert.Contains("epoch 2", _one.Notes, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
    }

    [Fact]
    public async Task Takes_that_are_killed_at_random_moments_are_gone_on_with_by_a_coordinator_that_is_killed_too()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var begun = 0;
        for (var round = 0; round < 3 || begun == 0; round++)
        {
            await using (var take = StartTake())
            {
                if (round == 0) await take.ReachAsync("Live", Cancellation);
                await Task.Delay(random.Next(600), Cancellation);
                take.Signal(SigKill);
            }
            begun += (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray().Count;
            await using (var first = StartCoordinator())
            {
                await first.HearAsync("looking after", Cancellation);
                await Task.Delay(random.Next(600), Cancellation);
                first.Signal(SigKill);
            }
            await using var second = StartCoordinator();
            await second.HearAsync("looking after", Cancellation);
            while ((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray().Count > 0) await Task.Delay(100, Cancellation);
            second.Signal(SigTerm);
            Assert.True(await second.EndAsync(Cancellation) == 0, $"seed {seed}: {second.Notes}");
        }

        var checkpoints = (await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray();
        Assert.True(checkpoints.Count >= begun, $"seed {seed}: {begun} jobs were left, {checkpoints.Count} checkpoints are there");
        foreach (var one in checkpoints) IsOneCut(await Cutpoint.QueryAsync(Cancellation, "show", (string)one!["id"]!));
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
        await TakeAsync("reference:a" + Large, "reference:b" + Large);
    }

    [Fact]
    public async Task A_worker_that_is_asked_to_end_puts_its_guests_back_first()
    {
        await using var take = await LiveAsync();
        _two.Signal(SigTerm);

        Assert.Equal(0, await _two.EndAsync(Cancellation));
        IsOneClearError(await take.EndAsync(Cancellation), 8, _two.Address);
        Assert.Equal(0, (await RunAsync("cancel", await JobIdAsync())).ExitCode);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_take_that_is_cancelled_leaves_nothing_on_any_node()
    {
        await using var take = await LiveAsync();
        take.Signal(SigInt);

        Assert.Equal(130, (await take.EndAsync(Cancellation)).ExitCode);
        await NothingIsLeftAsync();
        await _two.HearAsync("every guest is put back", Cancellation);
    }

    [Fact]
    public async Task Who_has_another_secret_or_none_is_told_so()
    {
        var guest = _one.Guest("reference:a");
        IsOneClearLine(await RunAsync("take", guest), 12, "secret");
        File.WriteAllText(Directory.File("other"), new string('x', 64));
        File.SetUnixFileMode(Directory.File("other"), UnixFileMode.UserRead);

        IsOneClearLine(await RunAsync("take", guest, "--secret-file", Directory.File("other")), 12, _one.Address);
        await NothingIsLeftAsync();
    }

    private Task<JsonNode> TakeAsync(string one, string two, params string[] more) =>
        Cutpoint.QueryAsync(Cancellation, ["take", _one.Guest(one), _two.Guest(two), "--secret-file", SecretFile, .. more]);

    /// <summary>A take in its first pass, which takes this codec long.</summary>
    private async Task<RunningTake> LiveAsync(string guest = Large)
    {
        var take = StartTake(guest, "zstd:15");
        Assert.True(await take.ReachAsync("Live", Cancellation));
        await UntilItCanBeResumedAsync();
        return take;
    }

    private RunningTake StartTake(string guest = Large, string codec = "zstd") =>
        RunningTake.Start(Cutpoint, _one.Guest("reference:a" + guest), _two.Guest("reference:b" + guest), "--secret-file", SecretFile, "--codec", codec);

    private async Task<JsonNode> JobAsync() => Assert.Single((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray())!;

    private async Task<string> JobIdAsync() => (string)(await JobAsync())["id"]!;

    private Dictionary<string, long> Packs() =>
        System.IO.Directory.GetFiles(Path.Combine(Cutpoint.Repository, "packs")).ToDictionary(file => file, file => new FileInfo(file).Length);

    private NodeProcess StartCoordinator() => NodeProcess.StartCoordinator(Cutpoint, SecretFile);

    private async Task NothingIsLeftAsync()
    {
        var listed = await Cutpoint.QueryAsync(Cancellation, "list");
        Assert.Empty(listed["checkpoints"]!.AsArray());
        Assert.Empty(listed["jobs"]!.AsArray());
        Assert.Empty(System.IO.Directory.EnumerateFiles(Path.Combine(Cutpoint.Repository, "packs")));
    }

    private static void IsOneCut(JsonNode taken)
    {
        var cuts = taken["guests"]!.AsArray().Select(guest => guest!["cut"]!).ToList();
        Assert.True(cuts.Max(cut => (DateTimeOffset)cut["stoppedAt"]!) < cuts.Min(cut => (DateTimeOffset)cut["thawedAt"]!), taken.ToJsonString());
        Assert.All(cuts, cut => Assert.True((bool)cut["heldUntilRelease"]!));
    }
}
