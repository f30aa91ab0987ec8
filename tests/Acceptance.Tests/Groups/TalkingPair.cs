using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Groups;

/// <summary>Two guests that exchange numbered messages over a socket network of QEMU.</summary>
internal sealed class TalkingPair(Guest asks, Guest answers) : IAsyncDisposable
{
    public Guest Asks => asks;

    public Guest Answers => answers;

    /// <summary>Two connected guests, booted or from a saved state. The one that answers listens.</summary>
    public static Task<TalkingPair> StartAsync(TemporaryDirectory directory, string suffix, CancellationToken cancellation, params string[] states) =>
        StartAsync(directory, suffix, [], states, cancellation);

    /// <summary>The same with disks they write numbered blocks to.</summary>
    public static Task<TalkingPair> StartAsync(TemporaryDirectory directory, NumberedDisk asks, NumberedDisk answers, CancellationToken cancellation) =>
        StartAsync(directory, "", [asks, answers], [], cancellation);

    private static async Task<TalkingPair> StartAsync(
        TemporaryDirectory directory, string suffix, NumberedDisk[] disks, string[] states, CancellationToken cancellation)
    {
        var socket = directory.File($"net{suffix}");
        var answers = await Start(2, "answers", $"server=on,addr.type=unix,addr.path={socket}", states.ElementAtOrDefault(1));
        var asks = await Start(1, "asks", $"server=off,addr.type=unix,addr.path={socket}", states.ElementAtOrDefault(0));
        var pair = new TalkingPair(asks, answers);
        if (states.Length > 0)
        {
            foreach (var guest in (Guest[])[answers, asks])
            {
                while (await guest.StatusAsync(cancellation) is "inmigrate") await Task.Delay(20, cancellation);
                await guest.ExecuteAsync("cont", null, cancellation);
            }
        }
        return pair;

        Task<Guest> Start(int talk, string name, string network, string? state) => Guest.StartAsync(
            new GuestOptions
            {
                RamKiB = 98312,
                ArenaMiB = 8,
                Talk = talk,
                Numbers = disks.ElementAtOrDefault(talk - 1)?.Drive,
                Ram = talk == 1 ? GuestRam.File : GuestRam.Private,
                Extra =
                [
                    "-netdev", $"stream,id=n0,{network}", "-device", "virtio-net-pci,netdev=n0,romfile=",
                    .. state is null ? [] : (string[])["-S", "-incoming", $"exec:cat {state}"],
                ],
            },
            directory.File(name + suffix), cancellation);
    }

    public Task TalkOnAsync(CancellationToken cancellation) => TalkOnAsync(asks.Serial, answers.Serial, cancellation);

    /// <summary>Waits until both have talked for two seconds more, and neither has a complaint.</summary>
    public static async Task TalkOnAsync(SerialLog asks, SerialLog answers, CancellationToken cancellation)
    {
        var (asked, heard) = (asks.Talked("answered"), answers.Talked("heard"));
        while (asks.Talked("answered") <= asked || answers.Talked("heard") <= heard || asks.Talked("answered") < 2)
        {
            await asks.WaitForCountsAsync(asks.Counts.Count + 1, cancellation);
            await answers.WaitForCountsAsync(answers.Counts.Count + 1, cancellation);
        }
        Assert.Empty(asks.Complaints);
        Assert.Empty(answers.Complaints);
    }

    public async ValueTask DisposeAsync()
    {
        await asks.DisposeAsync();
        await answers.DisposeAsync();
    }
}
