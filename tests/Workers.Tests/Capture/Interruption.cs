using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>
/// Counts the calls a supervisor makes to its driver, its capture and its store, and does something at one of them: before it, or instead of it.
/// </summary>
/// <param name="place">One of <see cref="Places"/>.</param>
/// <param name="at">Which call there, from 1.</param>
/// <param name="act">What to do.</param>
internal sealed class Interruption(string place, int at, Func<Task> act)
{
    private int _calls;

    /// <summary>A guest is being put back. No place among the others: nothing may fail there.</summary>
    public const string Closing = "closing";

    public static IReadOnlyList<string> Places { get; } = ["open", "begin", "encode", "append", "stop", "stopped", "thaw", "finish"];

    /// <summary>True when that call was reached.</summary>
    public bool Happened => Volatile.Read(ref _calls) >= at;

    public IGuestDriver Around(IGuestDriver driver) => new Driver(this, driver);

    public IGuestStore Around(IGuestStore store) => new HookedStore(store) { OnAppend = () => PassAsync("append"), OnEncode = () => PassAsync("encode").GetAwaiter().GetResult() };

    private async Task PassAsync(string where)
    {
        if (where == place && Interlocked.Increment(ref _calls) == at) await act();
    }

    private sealed class Driver(Interruption interruption, IGuestDriver inner) : IGuestDriver
    {
        public string Scheme => inner.Scheme;

        public async Task<IGuestCapture> OpenAsync(GuestUri uri, CaptureOptions options, CancellationToken cancellation)
        {
            await interruption.PassAsync("open");
            cancellation.ThrowIfCancellationRequested();
            return new Capture(interruption, await inner.OpenAsync(uri, options, cancellation));
        }
    }

    private sealed class Capture(Interruption interruption, IGuestCapture inner) : IGuestCapture
    {
        public GuestDescription Description => inner.Description;

        public CaptureTransport Transport => inner.Transport;

        public CaptureStrategy Strategy => inner.Strategy;

        public string Reason => inner.Reason;

        public UnitRegistry Units => inner.Units;

        public TimeSpan PauseFloor => inner.PauseFloor;

        public bool WasRunning => inner.WasRunning;

        public bool RunsDuringFinalPass => inner.RunsDuringFinalPass;

        public long PassBytes => inner.PassBytes;

        public CancellationToken Lost => inner.Lost;

        public SnapshotException? Loss => inner.Loss;

        public async ValueTask BeginAsync(ICaptureSinks sinks, CancellationToken cancellation)
        {
            await interruption.PassAsync("begin");
            await inner.BeginAsync(sinks, cancellation);
        }

        public async ValueTask<CutStamp> StopAsync(CancellationToken cancellation)
        {
            await interruption.PassAsync("stop");
            var stamp = await inner.StopAsync(cancellation);
            await interruption.PassAsync("stopped");
            return stamp;
        }

        public async ValueTask<CutStamp?> ThawAsync(bool run)
        {
            await interruption.PassAsync("thaw");
            return await inner.ThawAsync(run);
        }

        public async ValueTask<IReadOnlyList<DeviceState>> FinishAsync(CancellationToken cancellation)
        {
            await interruption.PassAsync("finish");
            return await inner.FinishAsync(cancellation);
        }

        public async Task VerifyAsync(CancellationToken cancellation)
        {
            await interruption.PassAsync("verify");
            await inner.VerifyAsync(cancellation);
        }

        public void Keep() => inner.Keep();

        public void Leave() => inner.Leave();

        public async ValueTask DisposeAsync()
        {
            await interruption.PassAsync(Closing);
            await inner.DisposeAsync();
        }
    }
}
