namespace Cutpoint.Cli.Output;

/// <summary>Progress of work that is measured in octets.</summary>
/// <param name="what">What happens to them, such as "verified".</param>
/// <param name="json">True for JSON lines.</param>
/// <param name="clock">The clock.</param>
internal sealed class ByteProgress(string what, bool json, TimeProvider clock) : IDisposable
{
    /// <summary>How often a program is told: as often as a person could follow.</summary>
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(100);

    private readonly StatusLine _line = new(clock);
    private readonly Lock _lock = new();
    private long _told = long.MinValue;

    /// <summary>Tells how far the work is.</summary>
    public void Report(long done, long total)
    {
        if (json)
        {
            lock (_lock)
            {
                var now = clock.GetTimestamp();
                if (done < total && _told != long.MinValue && clock.GetElapsedTime(_told, now) < Beat) return;
                _told = now;
                JsonOutput.WriteProgress(new ByteProgressLine(what, done, total), JsonOutput.Types.ByteProgressLine);
            }
            return;
        }
        _line.Show(() =>
        {
            var rate = done / Math.Max(_line.Elapsed.TotalSeconds, 1e-3);
            var rest = done > 0 && total > done ? $", ETA {Quantity.Time(TimeSpan.FromSeconds((total - done) / rate))}" : "";
            return $"{_line.Bar(total > 0 ? (double)done / total : 0)}{what} {Quantity.Bytes(done)} of {Quantity.Bytes(total)}, {Quantity.Rate(rate)}{rest}";
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _line.Dispose();
}

/// <summary>A line of progress for programs.</summary>
internal sealed record ByteProgressLine(string What, long DoneBytes, long TotalBytes);
