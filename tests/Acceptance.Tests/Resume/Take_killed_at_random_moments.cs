using System.Globalization;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Resume;

/// <summary>A real guest and the real program, killed as nothing can be caught or cleaned up.</summary>
public sealed class Take_killed_at_random_moments() : BadDays.BadDay
{
    private const int Kills = 20, SigKill = 9, SigTerm = 15;

    [Fact]
    public async Task leaves_the_guest_running_and_is_resumed_to_a_whole_checkpoint()
    {
        // The seed is in the name of every failure, so that the moments can be had again.
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await InitAsync();
        await using var guest = await BootAsync();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(0, (await RunAsync("take", guest.Uri, "--name", "whole")).ExitCode);
        var duration = watch.Elapsed;
        var resumed = 0;

        for (var kill = 0; kill < Kills; kill++)
        {
            var moment = duration * random.NextDouble();
            var what = string.Create(CultureInfo.InvariantCulture, $"seed {seed}, kill {kill} after {moment.TotalMilliseconds:0} ms");
            using (var take = Cutpoint.Start("take", guest.Uri, "--json"))
            {
                await Task.Delay(moment, Cancellation);
                CutpointProgram.Signal(take, SigKill);
                await CutpointProgram.FinishAsync(take, Cancellation);
            }
            foreach (var job in (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray())
            {
                var id = (string)job!["id"]!;
                Assert.True((string?)job["phase"] == "Interrupted", $"{what}: {job}");
                // The guard of the killed take may have the guest for a moment longer.
                var result = await RunAsync("resume", id);
                while (result.ExitCode is 8 or 11) result = await RunAsync("resume", id);
                Assert.True(result.ExitCode == 0, $"{what}: exit {result.ExitCode}: {result.Output}{result.Error}");
                resumed++;
            }
            Assert.Equal("running", await guest.StatusAsync(Cancellation));
        }

        Assert.True(resumed > 0, $"seed {seed}: no kill met a job");
        var listed = await Cutpoint.QueryAsync(Cancellation, "list");
        Assert.Empty(listed["jobs"]!.AsArray());
        var verified = await RunAsync("verify");
        Assert.True(verified.ExitCode == 0, $"seed {seed}: {verified.Output}{verified.Error}");
        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task can_be_cancelled_and_cancelled_again_and_leaves_nothing()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        var job = await InterruptAsync(guest, SigKill, 137);

        var note = await RunAsync("take", guest.Uri);
        Assert.Equal(0, note.ExitCode);
        Assert.Contains($"cutpoint resume {job}", note.Error, StringComparison.Ordinal);
        Assert.Equal(8, (await RunAsync("watch", job)).ExitCode);
        for (var time = 0; time < 2; time++)
        {
            var cancelled = await RunAsync("cancel", job);
            Assert.True(cancelled.ExitCode == 0, cancelled.Output + cancelled.Error);
        }

        Assert.Empty((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray());
        Assert.DoesNotContain(System.IO.Directory.GetFiles(Path.Combine(Cutpoint.Repository, "packs")), pack => pack.Contains(job, StringComparison.Ordinal));
        IsOneClearLine(await RunAsync("resume", job), 10, job);
        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task ends_with_its_reason_when_the_guest_is_gone()
    {
        await InitAsync();
        string job;
        await using (var guest = await BootAsync()) job = await InterruptAsync(guest, SigKill, 137);

        var result = await RunAsync("resume", job);

        Assert.NotInRange(result.ExitCode, 0, 0);
        Assert.Contains("qmp", result.Error, StringComparison.Ordinal);
        Assert.Empty((await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray());
        Assert.Empty(System.IO.Directory.GetFiles(Path.Combine(Cutpoint.Repository, "packs")));
    }

    [Fact]
    public async Task is_left_to_be_resumed_by_a_SIGTERM_and_cancelled_by_another_process_while_it_runs()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        var job = await InterruptAsync(guest, SigTerm, 8);
        Assert.Equal(0, (await RunAsync("resume", job)).ExitCode);
        Assert.Equal(job, (string?)(await Cutpoint.QueryAsync(Cancellation, "show", "latest"))["id"]);
        Assert.Equal(1, (await RunAsync("cancel", job)).ExitCode);

        await using var take = RunningTake.Start(Cutpoint, guest.Uri, "--base", "none", "--codec", "zstd:19");
        var running = await StoringAsync();
        IsOneClearLine(await RunAsync("resume", running), 11, running);
        Assert.Equal(0, (await RunAsync("cancel", running)).ExitCode);
        IsOneClearError(await take.EndAsync(Cancellation), 130);
        await RunsOnUnchangedAsync(guest);
    }

    /// <summary>A job that was ended by a signal in its first pass.</summary>
    private async Task<string> InterruptAsync(Guest guest, int signal, int exitCode)
    {
        await using (var take = RunningTake.Start(Cutpoint, guest.Uri, "--base", "none", "--codec", "zstd:15"))
        {
            await StoringAsync();
            take.Signal(signal);
            var result = await take.EndAsync(Cancellation);
            Assert.True(result.ExitCode == exitCode, $"exit {result.ExitCode}: {result.Output}{result.Error}");
        }
        var job = (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray().Single()!;
        Assert.Equal("Interrupted", (string?)job["phase"]);
        return (string)job["id"]!;
    }

    /// <summary>Waits until the one job that runs has stored something, and says which it is.</summary>
    private async Task<string> StoringAsync()
    {
        while (true)
        {
            var jobs = (await Cutpoint.QueryAsync(Cancellation, "list"))["jobs"]!.AsArray();
            if (jobs.SingleOrDefault(job => (long)job!["storedBytes"]! > 0) is { } storing) return (string)storing["id"]!;
        }
    }
}
