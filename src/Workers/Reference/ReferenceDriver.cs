using Cutpoint.Guests;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// Opens reference guests. A guest comes into being when it is first asked for, runs in this process, and ends with the driver. Safe for concurrent use.
/// </summary>
public sealed class ReferenceDriver : IGuestDriver, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, ReferenceGuest> _guests = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;

    /// <summary>Creates a driver without guests.</summary>
    public ReferenceDriver(TimeProvider time) => _time = time;

    /// <inheritdoc/>
    public string Scheme => "reference";

    /// <summary>The guest of a URI; made when there is none of that name.</summary>
    /// <exception cref="SnapshotException">The options are wrong, or there is one of that name with others (<see cref="ErrorCode.Usage"/>).</exception>
    public ReferenceGuest Guest(GuestUri uri)
    {
        var options = ReferenceOptions.Parse(uri);
        lock (_gate)
        {
            if (!_guests.TryGetValue(uri.Target, out var guest) || guest.Dead.IsCancellationRequested)
                _guests[uri.Target] = guest = new ReferenceGuest(uri.Target, options, _time);
            if (uri.Options.Count == 0 || guest.Options == options) return guest;
        }
        throw new SnapshotException(ErrorCode.Usage, $"guest '{uri}': there is a guest of that name with other options", "leave the options out, or choose another name")
        {
            IsPreflight = true,
        };
    }

    /// <inheritdoc/>
    public Task<IGuestCapture> OpenAsync(GuestUri uri, CaptureOptions options, CancellationToken cancellation)
    {
        if (options.Transport == CaptureTransport.Stream)
            throw Refused(ErrorCode.Incompatible, $"guest '{uri}' writes no migration stream", "leave --transport out, or write --transport direct");
        if (options.Downtime < ReferenceCapture.Floor)
        {
            throw Refused(
                ErrorCode.NotConverged,
                $"guest '{uri}': the shortest pause is {ReferenceCapture.Floor.TotalMilliseconds} ms, {options.Downtime.Value.TotalMilliseconds} ms are allowed",
                "allow a longer --downtime");
        }
        var guest = Guest(uri);
        var (strategy, reason) = Choose(guest.IsRunning, options.Strategy);
        var capture = new ReferenceCapture(guest, Describe(guest, uri), strategy, reason, options);
        return guest.TryEnter(capture)
            ? Task.FromResult<IGuestCapture>(capture)
            : throw Refused(ErrorCode.Locked, $"guest '{uri}' is being captured already", "wait for that capture, or cancel it");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var guest in _guests.Values) guest.Dispose();
            _guests.Clear();
        }
    }

    private static (CaptureStrategy Strategy, string Reason) Choose(bool isRunning, CaptureStrategy asked) => (asked, isRunning) switch
    {
        (CaptureStrategy.Auto, true) => (CaptureStrategy.Precopy, "RAM is read in place; writes are known page by page"),
        (CaptureStrategy.Auto or CaptureStrategy.Background, false) => (CaptureStrategy.Stop, "the guest is paused: one pass reads everything"),
        _ => (asked, "as asked; RAM is read in place"),
    };

    private static GuestDescription Describe(ReferenceGuest guest, GuestUri uri) => new()
    {
        Driver = "reference",
        Name = guest.Name,
        Uri = uri.Text,
        MachineType = "reference-1",
        CpuModel = "reference",
        CpuCount = guest.Options.Cpus,
        Blocks = [.. guest.Memory.Select(m => m.Block)],
        Memory = guest.Layout,
        WasRunning = guest.IsRunning,
    };

    private static SnapshotException Refused(ErrorCode code, string message, string advice) => new(code, message, advice) { IsPreflight = true };
}
