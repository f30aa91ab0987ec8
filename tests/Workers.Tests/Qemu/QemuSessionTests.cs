using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Tests.Qemu;

public sealed class QemuSessionTests
{
    [Fact]
    public async Task Stop_and_continue_return_the_times_of_QEMUs_events()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        await session.ArmAsync(default);
        var stop = await session.StopAsync(default);
        var again = await session.StopAsync(default);
        var resume = await session.ContinueAsync();
        Assert.NotNull(stop);
        Assert.Null(again);
        Assert.NotNull(resume);
        Assert.InRange((resume.Value - stop.Value).TotalMilliseconds, 0.01, 60_000);
        Assert.Null(await session.ContinueAsync());
        await guest.WaitUntilItCountsAsync();
    }

    [Fact]
    public async Task A_set_of_capabilities_replaces_the_one_before_and_all_are_put_back()
    {
        await using var guest = await ToyGuest.StartAsync();
        await using (var owner = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default))
            await owner.SetCapabilitiesAsync([new("xbzrle", true)], QmpClient.CommandDeadline, default);
        await using (var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default))
        {
            await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["x-ignore-shared"] = true }, default);
            Assert.Equal(["events", "x-ignore-shared"], await OnAsync(session.Monitor));
            await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["auto-converge"] = true }, default);
            Assert.Equal(["auto-converge", "events"], await OnAsync(session.Monitor));
            await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["auto-converge"] = true }, default);
            Assert.Equal(["auto-converge", "events"], await OnAsync(session.Monitor));
        }
        await using var after = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        Assert.Equal(["xbzrle"], await OnAsync(after));

        static async Task<IEnumerable<string>> OnAsync(QmpClient monitor) =>
            (await monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, default)).Where(one => one.Value).Select(one => one.Key).Order(StringComparer.Ordinal);
    }
}
