using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Cluster;

/// <summary>
/// Says by our clock what a worker says by its own. Of the last answers to beats the fastest says best how far the two are apart, and is off by half its way at
/// most. Where that would contradict what we know for certain, what we know counts: a guest stood still when we heard that it is held, and still did when we
/// released it. Safe for concurrent use.
/// </summary>
/// <param name="time">Our clock.</param>
internal sealed class WorkerClock(TimeProvider time)
{
    private const int Remembered = 32;
    private readonly Lock _gate = new();
    private readonly Queue<(TimeSpan Way, TimeSpan Ahead)> _samples = new();
    private readonly Dictionary<string, DateTimeOffset> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _released = new(StringComparer.Ordinal);
    private TimeSpan _ahead;

    /// <summary>A beat is answered.</summary>
    /// <param name="asked">Our timestamp when it was sent.</param>
    /// <param name="theirs">What their clock showed in between.</param>
    public void Answered(long asked, DateTimeOffset theirs)
    {
        var way = time.GetElapsedTime(asked);
        lock (_gate)
        {
            if (_samples.Count == Remembered) _samples.Dequeue();
            _samples.Enqueue((way, theirs - (time.GetUtcNow() - (way / 2))));
            _ahead = _samples.MinBy(sample => sample.Way).Ahead;
        }
    }

    /// <summary>A command is about to be sent.</summary>
    public void Sending(WorkerCommand command)
    {
        lock (_gate)
        {
            if (command is MakeCut)
            {
                _held.Remove(command.Guest);
                _released.Remove(command.Guest);
            }
            else if (command is ReleaseCut)
            {
                _released[command.Guest] = time.GetUtcNow();
            }
        }
    }

    /// <summary>A report that has just come, by our clock.</summary>
    public WorkerReport Ours(WorkerReport report)
    {
        lock (_gate)
        {
            switch (report)
            {
                case CutHeld held:
                    _held[held.Guest] = time.GetUtcNow();
                    return held with { StoppedAt = Stopped(held.Guest, held.StoppedAt) };
                case CutEnded { Cut: { } cut } ended:
                    var thawed = cut.ThawedAt - _ahead;
                    if (cut.HeldUntilRelease && _released.TryGetValue(ended.Guest, out var released) && thawed < released) thawed = released;
                    return ended with { Cut = cut with { StoppedAt = Stopped(ended.Guest, cut.StoppedAt), ThawedAt = thawed } };
                default:
                    return report;
            }
        }
    }

    private DateTimeOffset Stopped(string guest, DateTimeOffset theirs)
    {
        var ours = theirs - _ahead;
        return _held.TryGetValue(guest, out var held) && held < ours ? held : ours;
    }
}
