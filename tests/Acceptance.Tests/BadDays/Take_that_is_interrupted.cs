using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

public sealed class Take_that_is_interrupted : BadDay
{
    private const int CtrlC = 2, Kill = 9, Continue = 18, Stop = 19;

    private static readonly GuestOptions Private = new() { Ram = GuestRam.Private, PagesPerSecond = 4000 };

    /// <summary>Every phase in which a job can be met, over both transports.</summary>
    public static TheoryData<string, GuestRam> Phases
    {
        get
        {
            var data = new TheoryData<string, GuestRam>();
            foreach (var phase in (string[])["Preflight", "Live", "Cutting", "Draining", "Committing"])
            {
                data.Add(phase, GuestRam.File);
                data.Add(phase, GuestRam.Private);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Phases))]
    public async Task Ctrl_C_puts_the_guest_back_and_lists_nothing(string phase, GuestRam ram)
    {
        await InitAsync();
        await using var guest = await BootAsync(Private with { Ram = ram });
        // Slowly where the signal must not come too late.
        await using var take = RunningTake.Start(Cutpoint, guest.Uri, "--codec", phase is "Preflight" or "Live" ? "zstd:15" : "zstd");

        if (await take.ReachAsync(phase, Cancellation)) take.Signal(CtrlC);
        var result = await take.EndAsync(Cancellation);

        // A signal that comes when the job is as good as done finds it done: then the checkpoint is there, and whole.
        if (result.ExitCode == 0)
        {
            Assert.Contains(phase, (string[])["Cutting", "Draining", "Committing"]);
            await Cutpoint.QueryAsync(Cancellation, "verify", "latest");
        }
        else
        {
            IsOneClearError(result, 130);
            await NothingIsListedAsync();
        }
        await RunsOnUnchangedAsync(guest);
    }

    [Theory]
    [InlineData(GuestRam.File)]
    [InlineData(GuestRam.Private)]
    public async Task A_killed_one_leaves_the_guest_running_within_the_freeze_limit(GuestRam ram)
    {
        await InitAsync();
        await using var guest = await BootAsync(Private with { Ram = ram });
        var before = guest.Serial.Counts.Count;
        await using (var take = RunningTake.Start(Cutpoint, guest.Uri, "--strategy", "stop", "--codec", "zstd:19", "--freeze-limit", "4s"))
        {
            Assert.True(await take.ReachAsync("Cutting", Cancellation));
            take.Signal(Kill);
            await take.EndAsync(Cancellation);
        }

        // Were the guest left paused, it would never count on.
        await guest.Serial.WaitForCountsAsync(before + 5, Cancellation);
        await NothingIsListedAsync();
        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task A_second_one_of_the_same_guest_is_refused_and_the_first_goes_on()
    {
        await InitAsync();
        await using var guest = await BootAsync();
        await using var first = RunningTake.Start(Cutpoint, guest.Uri, "--codec", "zstd:12");
        Assert.True(await first.ReachAsync("Live", Cancellation));
        first.Signal(Stop);

        var second = await RunAsync("take", guest.Uri);
        first.Signal(Continue);
        var result = await first.EndAsync(Cancellation);

        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        Assert.Equal(11, second.ExitCode);
        Assert.Single((await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray());
    }

    [Fact]
    public async Task What_a_killed_job_and_its_killed_guard_left_is_put_back_by_doctor()
    {
        await InitAsync();
        await using var guest = await BootAsync(Private);
        await LoseTakeAndGuardAsync(guest);

        Assert.Equal(0, (await RunAsync("doctor")).ExitCode);

        await RunsOnUnchangedAsync(guest);
    }

    [Fact]
    public async Task What_a_killed_job_and_its_killed_guard_left_is_put_back_by_the_next_take()
    {
        await InitAsync();
        await using var guest = await BootAsync(Private);
        await LoseTakeAndGuardAsync(guest);

        await Cutpoint.QueryAsync(Cancellation, "take", guest.Uri);

        await RunsOnUnchangedAsync(guest);
    }

    private async Task LoseTakeAndGuardAsync(Guest guest)
    {
        await using var take = RunningTake.Start(Cutpoint, guest.Uri, "--strategy", "stop", "--codec", "zstd:19");
        Assert.True(await take.ReachAsync("Cutting", Cancellation));
        CutpointProgram.Signal(await GuardAsync(), Kill);
        take.Signal(Kill);
        await take.EndAsync(Cancellation);
    }

    /// <summary>The guard's process, of which the freeze intent tells before anything in QEMU is altered.</summary>
    private async Task<int> GuardAsync()
    {
        while (true)
        {
            Cancellation.ThrowIfCancellationRequested();
            foreach (var intent in Intents())
            {
                if (JsonNode.Parse(await File.ReadAllTextAsync(intent, Cancellation))!["guard"] is { } guard) return (int)guard["pid"]!;
            }
            await Task.Yield();
        }
    }

    private string[] Intents()
    {
        var directory = Directory.File("state/cutpoint/freeze");
        return System.IO.Directory.Exists(directory) ? System.IO.Directory.GetFiles(directory, "*.intent") : [];
    }
}
