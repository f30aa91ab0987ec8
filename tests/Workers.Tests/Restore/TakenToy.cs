using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Restore;
using Cutpoint.Workers.Tests.Capture;
using Cutpoint.Workers.Tests.Qemu;

namespace Cutpoint.Workers.Tests.Restore;

/// <summary>A checkpoint of a real QEMU with the toy guest, which is killed right after; what it was started with stays until disposal.</summary>
internal sealed class TakenToy : IAsyncDisposable
{
    private readonly ToyGuest _guest;
    private readonly CaptureRun _run;

    private TakenToy(ToyGuest guest, CaptureRun run, CheckpointInfo checkpoint, int counter)
    {
        _guest = guest;
        _run = run;
        Checkpoint = checkpoint;
        Counter = counter;
    }

    public static string[] FileRam { get; } =
        ["-object", "memory-backend-file,id=ram0,size=17M,mem-path=ram,share=on", "-machine", "pc,memory-backend=ram0", "-m", "17M"];

    public static string[] PrivateRam { get; } = ["-m", "17M"];

    public CheckpointInfo Checkpoint { get; }

    /// <summary>The last counter the guest had printed when it was taken.</summary>
    public int Counter { get; }

    public DirectoryRepository Repository => _run.Repository;

    public RestoreOptions Options => new() { Checkpoint = Checkpoint.Id.ToString() };

    /// <summary>The directories below run/.</summary>
    public string[] Runs => Directory.GetDirectories(Repository.RunDirectory);

    public static async Task<TakenToy> TakeAsync(string[] machine, bool paused = false)
    {
        var guest = await ToyGuest.StartAsync(machine);
        var run = await CaptureRun.StartAsync(new QemuDriver(guest.SessionOptions, TimeProvider.System));
        if (paused)
        {
            await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
            await session.StopAsync(default);
            session.KeepStopped();
        }
        var checkpoint = await run.TakeAsync($"qemu:{guest.Socket}");
        var counter = guest.Counter;
        guest.Kill();
        await guest.WaitForExitAsync();
        return new TakenToy(guest, run, checkpoint, counter);
    }

    public Task<IReadOnlyList<RestoredGuest>> RestoreAsync(RestoreOptions? options = null, CancellationToken cancellation = default) =>
        RestoreJob.RunAsync(Repository, options ?? Options, TimeProvider.System, null, cancellation);

    /// <summary>Restores, and hands over the guest under its new places.</summary>
    public async Task<RestoredToy> LaunchAsync(RestoreOptions? options = null)
    {
        var restored = (await RestoreAsync(options)).Single();
        return new RestoredToy(restored, ToyGuest.Adopt(restored.Directory!, restored.Machine.ProcessId!.Value));
    }

    public async ValueTask DisposeAsync()
    {
        await _run.DisposeAsync();
        await _guest.DisposeAsync();
    }
}

/// <summary>A restored toy guest; killed when disposed, its files stay for the sweep.</summary>
internal sealed record RestoredToy(RestoredGuest Restored, ToyGuest Guest) : IAsyncDisposable
{
    public async Task CheckItRunsOnAsync(int counter)
    {
        Assert.True(Restored.Machine.Status.Running);
        await Guest.WaitUntilItCountsPastAsync(counter);
        Assert.Equal(0, await Guest.VerifyAsync());
    }

    public async ValueTask DisposeAsync()
    {
        Guest.Kill();
        await Guest.WaitForExitAsync();
    }
}
