using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Groups;

/// <summary>Two guests at one cut: one read from its RAM file, the other from its migration stream.</summary>
public sealed class Group_of_guests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly GuestOptions Small = new() { RamKiB = 98312, ArenaMiB = 8 };

    private readonly CancellationTokenSource _cancellation = new(Patience);
    private readonly TemporaryDirectory _directory = new();
    private CutpointProgram _cutpoint = null!;
    private Guest _one = null!;
    private Guest _two = null!;

    private CancellationToken Ct => _cancellation.Token;

    public async Task InitializeAsync()
    {
        _cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));
        await _cutpoint.QueryAsync(Ct, "init");
        // The second one's command line names a file, so that a test can take it away.
        File.WriteAllText(_directory.File("note"), "");
        var two = Small with { Ram = GuestRam.Private, Extra = ["-fw_cfg", $"name=opt/note,file={_directory.File("note")}"] };
        var guests = await Task.WhenAll(Guest.BootAsync(Small, _directory.File("one"), Ct), Guest.BootAsync(two, _directory.File("two"), Ct));
        (_one, _two) = (guests[0], guests[1]);
    }

    public async Task DisposeAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
        _directory.Dispose();
        _cancellation.Dispose();
    }

    [Fact]
    public async Task Is_taken_at_one_cut_by_every_strategy_and_comes_back_whole()
    {
        foreach (var (strategy, expected) in new[] { ("precopy", "precopy"), ("stop", "stop"), ("auto", "background") })
        {
            var taken = await _cutpoint.QueryAsync(Ct, "take", _one.Uri, _two.Uri, "--strategy", strategy, "--name", strategy, "--freeze-limit", "20s");

            var guests = taken["guests"]!.AsArray();
            Assert.Equal(["direct", "stream"], guests.Select(guest => (string)guest!["transport"]!));
            Assert.Equal(expected, (string)guests[1]!["strategy"]!);
            var stops = guests.Select(guest => (DateTimeOffset)guest!["cut"]!["stoppedAt"]!).ToList();
            var thaws = guests.Select(guest => (DateTimeOffset)guest!["cut"]!["thawedAt"]!).ToList();
            Assert.True(stops.Max() < thaws.Min(), $"{strategy}: no common interval");
            Assert.Equal(stops.Max() - stops.Min(), TimeSpan.Parse((string)taken["job"]!["skew"]!));
            Assert.Equal("running", await _one.StatusAsync(Ct));
            Assert.Equal("running", await _two.StatusAsync(Ct));
        }
        await LiveOnAsync(_one.Serial, _two.Serial);
        var listed = await _cutpoint.QueryAsync(Ct, "list");
        Assert.All(listed["checkpoints"]!.AsArray(), one => Assert.NotNull(one!["job"]!["longestPause"]));

        var counted = (_one.Serial.Counts[^1], _two.Serial.Counts[^1]);
        var restored = RestoredGuest.AllFrom(await _cutpoint.QueryAsync(Ct, "restore", "auto", "--launch"));
        await using var first = restored[0];
        await using var second = restored[1];
        await LiveOnAsync(first.Serial, second.Serial);
        Assert.InRange(first.Serial.Counts[0], 2, counted.Item1 + 1);
        Assert.InRange(second.Serial.Counts[0], 2, counted.Item2 + 1);
    }

    [Fact]
    public async Task Comes_back_not_at_all_when_one_guest_cannot()
    {
        await _cutpoint.QueryAsync(Ct, "take", _one.Uri, _two.Uri);
        File.Delete(_directory.File("note"));

        var refused = await _cutpoint.RunAsync(Ct, "restore", "latest", "--launch");

        Assert.Equal(6, refused.ExitCode);
        Assert.Contains(_directory.File("note"), refused.Error, StringComparison.Ordinal);
        Assert.Null(Guest.FindByMonitor(Path.Combine(_cutpoint.Repository, "run")));
        Assert.DoesNotContain(Directory.EnumerateDirectories(Path.Combine(_cutpoint.Repository, "run")), run => File.Exists(Path.Combine(run, "qemu.log")));
    }

    [Fact]
    public async Task Ends_without_a_checkpoint_when_a_guest_dies_and_is_taken_without_it_when_that_is_tolerated()
    {
        await using (var take = RunningTake.Start(_cutpoint, _one.Uri, _two.Uri, "--strategy", "precopy", "--codec", "zstd:15"))
        {
            Assert.True(await take.ReachAsync("Live", Ct));
            await _two.KillAsync();
            var ended = await take.EndAsync(Ct);
            Assert.Equal(1, ended.ExitCode);
            Assert.Contains(_two.Monitor, ended.Output, StringComparison.Ordinal);
        }
        Assert.Equal("running", await _one.StatusAsync(Ct));
        Assert.Empty((await _cutpoint.QueryAsync(Ct, "list"))["checkpoints"]!.AsArray());

        var partial = await _cutpoint.RunAsync(Ct, "take", _one.Uri, _two.Uri, "--tolerate", "1");
        Assert.Equal(3, partial.ExitCode);
        Assert.Contains("missing: ", partial.Output, StringComparison.Ordinal);

        var shown = await _cutpoint.QueryAsync(Ct, "show", "latest");
        Assert.Single(shown["guests"]!.AsArray());
        var missing = Assert.Single(shown["job"]!["missing"]!.AsArray())!;
        Assert.Equal(_two.Uri, (string)missing["uri"]!);
        Assert.NotEmpty((string)missing["error"]!["message"]!);
        await LiveOnAsync(_one.Serial);
    }

    private async Task LiveOnAsync(params SerialLog[] serials)
    {
        foreach (var serial in serials)
        {
            await serial.WaitForCountsAsync(serial.Counts.Count + 2, Ct);
            Assert.Empty(serial.Complaints);
        }
    }
}
