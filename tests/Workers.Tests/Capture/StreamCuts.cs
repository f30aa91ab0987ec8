using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Tests.Qemu;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>What a coordinator does with a real guest of a group that is read by its stream: attempts to cut, one after the other.</summary>
internal sealed class StreamCuts
{
    internal static readonly TimeSpan FreezeLimit = ToyGuest.FreezeLimit;
    private const int MostAttempts = 10;

    private readonly CaptureRun _run;
    private readonly CaptureStrategy _strategy;
    private int _epoch;
    private uint _pass;

    private StreamCuts(CaptureRun run, CaptureStrategy strategy)
    {
        _run = run;
        _strategy = strategy;
    }

    internal static async Task<StreamCuts> OpenAsync(CaptureRun run, ToyGuest guest, CaptureStrategy strategy)
    {
        var options = new CaptureOptions { GroupSize = 2, Strategy = strategy, Transport = CaptureTransport.Stream, FreezeLimit = FreezeLimit };
        await run.AskAsync<GuestOpened>(new OpenGuest("j", "g", $"qemu:{guest.Socket}", options, "zstd"));
        return new StreamCuts(run, strategy);
    }

    /// <summary>
    /// Passes and the stop; the guest is held. QEMU may be through with the passes of so small a guest first, and stop it by itself: that attempt is void, and a
    /// job makes another.
    /// </summary>
    internal async Task HoldAsync()
    {
        WorkerReport report;
        var first = _epoch;
        do
        {
            // One more than a lone guest would need: it is held in the first.
            for (var pass = 0; pass < 2 && _strategy is CaptureStrategy.Precopy; pass++) await _run.AskAsync<PassFinished>(new RunPass("j", "g", _pass++));
            await _run.AskAsync<CutPrepared>(new PrepareCut("j", "g", ++_epoch));
            await _run.SendAsync(new MakeCut("j", "g", _epoch));
            report = await _run.NextAnyAsync();
        }
        while (_strategy is CaptureStrategy.Precopy && report is CutEnded { Cut.HeldUntilRelease: false } && _epoch < first + MostAttempts);
        Assert.IsType<CutHeld>(report);
    }

    /// <summary>The release of a guest that is held.</summary>
    internal async Task ReleaseAsync()
    {
        var ended = await _run.AskAsync<CutEnded>(new ReleaseCut("j", "g", _epoch));
        Assert.True(ended.Cut.HeldUntilRelease);
        Assert.True(ended.Cut.StoppedAt < ended.Cut.ThawedAt);
    }

    /// <summary>The release, and everything after it.</summary>
    internal async Task<CheckpointInfo> EndAsync()
    {
        await ReleaseAsync();
        await _run.AskAsync<GuestDrained>(new DrainGuest("j", "g"));
        var checkpoint = await _run.CommitAsync();
        Assert.Null((await _run.CloseAsync(keep: true)).Trouble);
        return checkpoint;
    }
}
