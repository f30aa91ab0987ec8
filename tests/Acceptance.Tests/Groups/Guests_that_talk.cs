using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Groups;

/// <summary>
/// Two guests that exchange numbered messages over a socket network of QEMU. Each knows what the other can have said, and says on its serial line when it
/// hears what it cannot hear, or misses what it was promised: a cut that was not true for both is found by the guests themselves.
/// </summary>
public sealed class Guests_that_talk
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task Hear_after_a_restore_nothing_that_was_not_sent_and_miss_nothing_that_was_answered()
    {
        using var cancellation = new CancellationTokenSource(Patience);
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        var cutpoint = new CutpointProgram(directory.File("repository"), directory.File("state"));
        await cutpoint.QueryAsync(ct, "init");
        var asked = new Dictionary<string, long>();
        await using (var pair = await TalkingPair.StartAsync(directory, "", ct))
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
            await TalkingPair.TalkOnAsync(asks.Serial, answers.Serial, ct);
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
        await using (var pair = await TalkingPair.StartAsync(directory, "", ct))
        {
            await pair.TalkOnAsync(ct);
            await SaveAsync(pair.Asks, directory.File("asks.state"), ct);
            await pair.TalkOnAsync(ct);
            await SaveAsync(pair.Answers, directory.File("answers.state"), ct);
        }

        await using var again = await TalkingPair.StartAsync(directory, "-again", ct, directory.File("asks.state"), directory.File("answers.state"));
        await again.Answers.Serial.WaitForComplaintAsync("WRONG ask", ct);
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
}
