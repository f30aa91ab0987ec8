using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>What went through the graph since a pass began.</summary>
internal sealed class PassTiming(uint pass, CaptureGraph graph, TimeProvider time)
{
    private readonly CaptureCounters _before = graph.Counters;
    private readonly DateTimeOffset _startedAt = time.GetUtcNow();
    private readonly long _started = time.GetTimestamp();

    /// <summary>Octets of guest pages looked at.</summary>
    public long BytesRead => (graph.Counters - _before).PagesRead * Paging.PageSize;

    /// <summary>Octets stored.</summary>
    public long BytesStored => (graph.Counters - _before).BytesStored;

    /// <summary>The report of the pass, as of now.</summary>
    public PassReport Report(IReadOnlyList<Vote> votes)
    {
        var counters = graph.Counters - _before;
        var duration = time.GetElapsedTime(_started);
        return new PassReport
        {
            Pass = pass,
            IsFinal = pass == UnitRegistration.FinalPass,
            StartedAt = _startedAt,
            Duration = duration,
            PagesRead = counters.PagesRead,
            PagesChanged = counters.PagesChanged,
            PagesZeroed = counters.PagesZeroed,
            BytesStored = counters.BytesStored,
            SinkBytesPerSecond = graph.SinkBytesPerSecond ?? 0,
            ReadBytesPerSecond = counters.PagesRead * Paging.PageSize / Math.Max(duration.TotalSeconds, 1e-6),
            Votes = votes,
            PredictedPause = votes.Max(v => v.PredictedPause),
        };
    }
}
