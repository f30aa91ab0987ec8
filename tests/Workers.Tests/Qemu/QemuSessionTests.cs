using Cutpoint.Workers.Qemu;

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
}
