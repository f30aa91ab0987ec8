using System.Globalization;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>A worker in a process of its own: changes a guest as ordered, says so on standard output, and waits to be killed.</summary>
internal static class VictimWorker
{
    internal const string Verb = "worker";

    internal static async Task<int> RunAsync(string[] orders)
    {
        var (socket, intents, limit) = (orders[0], orders[1], TimeSpan.FromMilliseconds(int.Parse(orders[2], CultureInfo.InvariantCulture)));
        await using var session = await QemuSession.ConnectAsync(
            socket, new QemuSessionOptions { Intents = new FreezeIntents(intents), FreezeLimit = limit, Guard = TestProgram.Guard }, default);
        await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["x-ignore-shared"] = true }, default);
        await session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0 }, default);
        await session.StopAsync(default);
        Console.WriteLine("stopped");
        await Task.Delay(Timeout.Infinite);
        return 0;
    }
}
