using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Tests.Qemu.Monitor;

namespace Cutpoint.Workers.Tests.Qemu.Guard;

/// <summary>What a guest in a state no real QEMU can be held in is put back by: a monitor that follows a script.</summary>
public sealed class FreezeRecoveryTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>QEMU 7.2 between its own stop of the guest and its wait: a cancellation there is not noticed, and the guest stands still for ever.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task A_migration_is_not_cancelled_between_the_stop_and_the_wait_for_the_switchover(int looks)
    {
        var qemu = new Switchover { LooksUntilItWaits = looks };
        await using var fake = FakeMonitor.Ready(client => client.AnswerAllAsync(qemu.Answer));
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);

        var outcome = await FreezeRecovery.PutBackAsync(monitor, IntentOf(fake.Path), continueGuest: true, Patience, TimeProvider.System, default);

        Assert.Null(outcome.Problem);
        Assert.Equal("running", outcome.Status);
        Assert.Equal("cancelled the migration", outcome.Details);
    }

    [Fact]
    public async Task A_migration_that_never_comes_to_its_wait_is_cancelled_all_the_same()
    {
        var qemu = new Switchover { LooksUntilItWaits = int.MaxValue, IsNoticed = true };
        await using var fake = FakeMonitor.Ready(client => client.AnswerAllAsync(qemu.Answer));
        await using var monitor = await QmpClient.ConnectAsync(fake.Path, TimeProvider.System, default);

        var outcome = await FreezeRecovery.PutBackAsync(monitor, IntentOf(fake.Path), continueGuest: true, TimeSpan.FromMilliseconds(100), TimeProvider.System, default);

        Assert.Equal(("running", "cancelled the migration"), (outcome.Status, outcome.Details));
    }

    private static FreezeIntent IntentOf(string socket) => new()
    {
        Socket = socket, Worker = ProcessIdentity.Self, Guard = ProcessIdentity.Self, Boot = ProcessIdentity.Boot, WasRunning = true,
        Capabilities = new Dictionary<string, bool> { ["pause-before-switchover"] = true }, Parameters = new Dictionary<string, System.Text.Json.JsonElement>(),
    };

    /// <summary>A QEMU that is through with its passes and has stopped the guest.</summary>
    private sealed class Switchover
    {
        private string _migration = "active";
        private string _guest = "finish-migrate";

        /// <summary>How often the migration is looked at before it waits to be told to go on.</summary>
        public required int LooksUntilItWaits { get; set; }

        /// <summary>True when a cancellation is noticed at any time.</summary>
        public bool IsNoticed { get; init; }

        public string Answer(string command)
        {
            switch (command)
            {
                case "query-migrate-capabilities":
                    return """[{"capability": "pause-before-switchover", "state": true}]""";
                case "query-migrate-parameters":
                    return "{}";
                case "query-migrate":
                    if (_migration == "active" && LooksUntilItWaits-- == 0) _migration = "pre-switchover";
                    return $$"""{"status": "{{_migration}}"}""";
                case "query-status":
                    return $$"""{"status": "{{_guest}}", "running": {{(_guest == "running" ? "true" : "false")}}}""";
                case "migrate_cancel":
                    (_migration, _guest) = IsNoticed || _migration == "pre-switchover" ? ("cancelled", "running") : ("cancelling", _guest);
                    return "{}";
                default:
                    return "{}";
            }
        }
    }
}
