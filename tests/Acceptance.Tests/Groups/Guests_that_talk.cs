using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Groups;

/// <summary>
/// Two guests that exchange numbered messages over a socket network of QEMU. Each knows what the other can have said, and says on its serial line when it
/// hears what it cannot hear, or misses what it was promised: a cut that was not true for both is found by the guests themselves.
/// </summary>
public sealed class Guests_that_talk
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Hear_after_a_restore_nothing_that_was_not_sent_and_miss_nothing_that_was_answered()
    {
        using var cancellation = new CancellationTokenSource(Patience);
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        var cutpoint = new CutpointProgram(directory.File("repository"), directory.File("state"));
        await cutpoint.QueryAsync(ct, "init");
        var asked = new Dictionary<string, long>();
        await using (var pair = await Pair.StartAsync(directory, "", ct))
        {
            await pair.TalkOnAsync(ct);
            foreach (var strategy in (string[])["auto", "precopy"])
            {
                asked[strategy] = pair.Asks.Serial.Talked("asked");
                await cutpoint.QueryAsync(ct, "take", pair.Asks.Uri, pair.Answers.Uri, "--name", strategy, "--strategy", strategy, "--freeze-limit", "20s");
            }
            await pair.TalkOnAsync(ct);
        }

        foreach (var strategy in (string[])["auto", "precopy"])
        {
            var restored = RestoredGuest.AllFrom(await cutpoint.QueryAsync(ct, "restore", strategy, "--launch"));
            await using var asks = restored[0];
            await using var answers = restored[1];
            await Pair.TalkOnAsync(asks.Serial, answers.Serial, ct);
            // They go on from the cut, not from their start.
            Assert.True(asks.Serial.Talked("asked", first: true) >= asked[strategy]);
        }
    }

    /// <summary>The judge: states of two instants are found out. Made by QEMU alone.</summary>
    [Fact]
    public async Task Find_out_that_they_were_saved_at_two_instants()
    {
        using var cancellation = new CancellationTokenSource(Patience);
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        await using (var pair = await Pair.StartAsync(directory, "", ct))
        {
            await pair.TalkOnAsync(ct);
            await SaveAsync(pair.Asks, directory.File("asks.state"), ct);
            await pair.TalkOnAsync(ct);
            await SaveAsync(pair.Answers, directory.File("answers.state"), ct);
        }

        await using var again = await Pair.StartAsync(directory, "-again", ct, directory.File("asks.state"), directory.File("answers.state"));
        await again.Answers.Serial.WaitForCountsAsync(2, ct);

        Assert.Contains(again.Answers.Serial.Complaints, line => line.StartsWith("WRONG ask", StringComparison.Ordinal));
    }

    private static async Task SaveAsync(Guest guest, string file, CancellationToken cancellation)
    {
        using var probe = await QmpProbe.ConnectAsync(guest.Monitor, cancellation);
        await probe.ExecuteAsync("migrate-set-capabilities", JsonNode.Parse("""{"capabilities":[{"capability":"events","state":true}]}""")!.AsObject(), cancellation);
        await probe.ExecuteAsync("stop", null, cancellation);
        await probe.ExecuteAsync("migrate", new JsonObject { ["uri"] = $"exec:cat > {file}" }, cancellation);
        while ((string?)(await probe.EventAsync("MIGRATION", cancellation))["data"]!["status"] != "completed") continue;
        while (true)
        {
            try
            {
                await probe.ExecuteAsync("cont", null, cancellation);
                return;
            }
            catch (InvalidOperationException refused) when (refused.Message.Contains("finalized", StringComparison.Ordinal))
            {
                await Task.Yield();
            }
        }
    }

    private sealed class Pair(Guest asks, Guest answers) : IAsyncDisposable
    {
        public Guest Asks => asks;

        public Guest Answers => answers;

        /// <summary>Two connected guests, booted or from a saved state. The one that answers listens.</summary>
        public static async Task<Pair> StartAsync(TemporaryDirectory directory, string suffix, CancellationToken cancellation, params string[] states)
        {
            var socket = directory.File($"net{suffix}");
            var answers = await Start(2, "answers", $"server=on,addr.type=unix,addr.path={socket}", states.ElementAtOrDefault(1));
            var asks = await Start(1, "asks", $"server=off,addr.type=unix,addr.path={socket}", states.ElementAtOrDefault(0));
            var pair = new Pair(asks, answers);
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
}
