using System.Globalization;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Direct;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Preflight;
using Cutpoint.Workers.Qemu.Streaming;

namespace Cutpoint.Workers.Qemu;

/// <summary>Captures QEMU guests over their QMP sockets.</summary>
/// <param name="session">How monitors are used; the freeze limit is that of each capture.</param>
/// <param name="time">The clock.</param>
public sealed class QemuDriver(QemuSessionOptions session, TimeProvider time) : IGuestDriver
{
    /// <inheritdoc/>
    public string Scheme => "qemu";

    /// <inheritdoc/>
    public async Task<IGuestCapture> OpenAsync(GuestUri uri, CaptureOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(uri);
        ArgumentNullException.ThrowIfNull(options);
        // A guest that shall stay stopped may; the worker itself sees to the freeze limit up to the cut.
        var limit = options.After == AfterCut.Stop ? (TimeSpan?)null : options.FreezeLimit;
        var opened = await QemuSession.ConnectAsync(uri.Target, session with { FreezeLimit = limit, Time = time }, cancellation);
        try
        {
            var inspection = await QemuPreflight.InspectAsync(opened.Monitor, uri, cancellation);
            inspection.RequireCapturable();
            var directory = inspection.Description.Properties.GetValueOrDefault(QemuInspection.DirectoryProperty);
            var disks = new DiskCut(opened, inspection.Description, inspection.Disks, directory, options, session.Overlays, time);
            return await ChooseAsync(opened, inspection, disks, options, cancellation);
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    private async Task<IGuestCapture> ChooseAsync(
        QemuSession opened, QemuInspection inspection, DiskCut disks, CaptureOptions options, CancellationToken cancellation)
    {
        var refusals = new List<(string Transport, Refusal Refusal)>();
        if (options.Transport is CaptureTransport.Auto or CaptureTransport.Direct)
        {
            var (capture, refusal) = await DirectTransport.TryOpenAsync(opened, inspection, disks, options, session.Guard, time, cancellation);
            if (capture is not null) return capture;
            refusals.Add(("direct", refusal!));
        }
        if (options.Transport is CaptureTransport.Auto or CaptureTransport.Stream)
        {
            var strategy = StreamStrategy.Choose(inspection, opened.Qemu?.Id, options);
            strategy = strategy with { Costs = strategy.Costs with { Stop = strategy.Costs.Stop + disks.Pause } };
            if (!opened.WasRunning || options.Downtime is not { } downtime || downtime >= strategy.Costs.Floor)
            {
                var reason = refusals.Count == 0 ? strategy.Reason : $"{strategy.Reason}; not direct: {refusals[0].Refusal.Reason}";
                return new StreamCapture(opened, inspection, disks, options, strategy with { Reason = reason }, time);
            }
            refusals.Add((
                "stream",
                Refusal.OfFloor($"strategy {strategy.Strategy.ToString().ToLowerInvariant()} ({strategy.Reason})", strategy.Costs.Floor, downtime)));
        }
        // Only what the downtime excludes is a matter of convergence; everything else is one of what the guest and its host can do.
        var shortest = refusals.Min(r => r.Refusal.Floor);
        throw new SnapshotException(
            shortest is null ? ErrorCode.Incompatible : ErrorCode.NotConverged,
            $"guest {inspection.Description.Name} ({inspection.Description.Uri}) cannot be captured: " +
            string.Join("; ", refusals.Select(r => $"the {r.Transport} transport is not possible: {r.Refusal.Reason}")),
            shortest is { } pause
                ? AdviceOn(pause, inspection, opened.Qemu?.Id, options)
                : "take it with --transport stream; direct needs QEMU 4.0 or newer and RAM in a shared file (memory-backend-file with share=on)")
        {
            IsPreflight = true,
        };
    }

    /// <summary>What helps when every pause this guest can have is longer than allowed.</summary>
    private static string AdviceOn(TimeSpan shortest, QemuInspection inspection, int? process, CaptureOptions options)
    {
        var background = options.Strategy != CaptureStrategy.Background && StreamStrategy.IsBackgroundPossible(inspection, process, options)
            ? ", or take it with --transport stream --strategy background" : "";
        var newer = options.Transport != CaptureTransport.Direct && inspection.LosesWrites is not null ? ", or run it in QEMU 9.0 or newer" : "";
        return string.Create(CultureInfo.InvariantCulture, $"allow --downtime {Math.Ceiling(shortest.TotalMilliseconds)}ms or more{background}{newer}");
    }
}
