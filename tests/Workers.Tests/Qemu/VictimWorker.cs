using System.Diagnostics;
using System.Globalization;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>
/// A worker in a process of its own: changes a guest as ordered, says so on standard output, and waits for what the test does to it.
/// </summary>
internal sealed class VictimWorker : IAsyncDisposable
{
    internal const string Verb = "worker";

    private readonly Process _process;

    private VictimWorker(Process process) => _process = process;

    internal int ProcessId => _process.Id;

    /// <summary>Starts the worker and returns when the guest is in the state the order wants.</summary>
    internal static async Task<VictimWorker> StartAsync(ToyGuest guest, string order, TimeSpan? freezeLimit)
    {
        var limit = ((long)(freezeLimit?.TotalMilliseconds ?? 0)).ToString(CultureInfo.InvariantCulture);
        var process = Process.Start(new ProcessStartInfo(
            TestProgram.Dotnet, TestProgram.Arguments(Verb, guest.Socket, guest.SessionOptions.Intents.Directory, limit, order))
        {
            RedirectStandardOutput = true,
        })!;
        var line = await process.StandardOutput.ReadLineAsync();
        Assert.Equal("ready", line);
        return new VictimWorker(process);
    }

    internal async Task<string?> NextLineAsync() => await _process.StandardOutput.ReadLineAsync();

    internal void Signal(int signal) => TestProcess.Signal(_process.Id, signal);

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    internal static async Task<int> RunAsync(string[] orders)
    {
        var limit = int.Parse(orders[2], CultureInfo.InvariantCulture);
        await using var session = await QemuSession.ConnectAsync(orders[0], new QemuSessionOptions
        {
            Intents = new FreezeIntents(orders[1]),
            Guard = TestProgram.Guard,
            FreezeLimit = limit == 0 ? null : TimeSpan.FromMilliseconds(limit),
        }, default);
        await session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 0 }, default);
        try
        {
            await (orders[3] switch
            {
                "stop" => StopAsync(session),
                "background" => BackgroundAsync(session, orders[0]),
                _ => throw new ArgumentException(orders[3]),
            });
        }
        catch (SnapshotException) when (session.Loss is not null)
        {
            // The guard has acted on a short limit before it passed on the answer.
        }
        Console.WriteLine("ready");
        await Task.Delay(Timeout.Infinite, session.Lost).ContinueWith(_ => { }, TaskScheduler.Default);
        Console.WriteLine(session.Loss!.Message);
        // Whoever signals it must find it, however late.
        await Task.Delay(Timeout.Infinite);
        return 0;
    }

    private static async Task StopAsync(QemuSession session)
    {
        await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["x-ignore-shared"] = true }, default);
        await session.StopAsync(default);
    }

    private static async Task BackgroundAsync(QemuSession session, string socket)
    {
        await session.SetCapabilitiesAsync(new Dictionary<string, bool> { ["background-snapshot"] = true }, default);
        using var file = File.OpenHandle(Path.ChangeExtension(socket, "stream"), FileMode.Create, FileAccess.ReadWrite);
        await session.SendDescriptorAsync("m", file, default);
        await session.MigrateAsync("m", default);
        // Before it is through with the guest's memory, which it makes all of first.
        TestProcess.Signal(session.Qemu!.Value.Id, TestProcess.Stop);
    }
}
