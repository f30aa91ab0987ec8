namespace Cutpoint.Workers.Capture;

/// <summary>
/// Throughput of the sink over the last seconds, not over its life: what counts is what it can take now. Time without work does not count, so a sink
/// that waits for its source is not called slow. Safe for concurrent use.
/// </summary>
internal sealed class SinkMeter(TimeProvider time)
{
    private const int Slots = 64;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly (long End, long Busy, long Octets)[] _entries = new (long, long, long)[Slots];
    private int _next;
    private long _lastEnd;

    /// <summary>Octets of guest pages the sink took, in all.</summary>
    public long Total { get; private set; }

    /// <summary>A piece of work was ready at <paramref name="ready"/> and is through now.</summary>
    /// <param name="ready">A timestamp of the time provider.</param>
    /// <param name="octets">Octets of guest pages.</param>
    public void Add(long ready, long octets)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            // Work overlaps: only the time since the piece before was through is this piece's own.
            var busy = now - Math.Max(ready, _lastEnd);
            _lastEnd = now;
            _entries[_next++ % Slots] = (now, busy, octets);
            Total += octets;
        }
    }

    /// <summary>Octets of guest pages per second of work in the window; null before anything was through.</summary>
    public double? Rate
    {
        get
        {
            lock (_gate)
            {
                long octets = 0, busy = 0;
                for (var i = _next - 1; i >= Math.Max(0, _next - Slots); i--)
                {
                    var entry = _entries[i % Slots];
                    // The last piece always counts, however long ago it was.
                    if (octets > 0 && time.GetElapsedTime(entry.End, _lastEnd) > Window) break;
                    octets += entry.Octets;
                    busy += entry.Busy;
                }
                return octets == 0 ? null : octets / Math.Max(time.GetElapsedTime(0, busy).TotalSeconds, 1e-6);
            }
        }
    }
}
