using Cutpoint.Jobs;

namespace Cutpoint.Cli.Output;

/// <summary>
/// Shows a job's progress on standard error: a line that is rewritten on a terminal, a line every ten seconds elsewhere, JSON lines with --json.
/// Safe for concurrent use.
/// </summary>
internal sealed class ProgressView(bool json, TimeProvider clock) : IProgress<JobProgress>, IDisposable
{
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100), Quiet = TimeSpan.FromSeconds(10);

    private readonly bool _terminal = !Console.IsErrorRedirected;
    private readonly long _started = clock.GetTimestamp();
    private readonly Lock _lock = new();
    private long _last = clock.GetTimestamp();
    private bool _drawn;

    /// <inheritdoc/>
    public void Report(JobProgress value)
    {
        lock (_lock)
        {
            if (json)
            {
                JsonOutput.WriteProgress(value, JsonOutput.Types.JobProgress);
                return;
            }
            if (value.Note is not null) Line($"{value.Guest ?? "job"}: {value.Note}");
            var wait = _terminal ? Redraw : Quiet;
            if (value.LastPass is null && value.Cut is null && clock.GetElapsedTime(_last) < wait) return;
            if (!_terminal && clock.GetElapsedTime(_last) < wait) return;
            _last = clock.GetTimestamp();
            if (_terminal)
            {
                Console.Error.Write($"\r\e[K{Fit(Describe(value))}");
                _drawn = true;
            }
            else
            {
                Console.Error.WriteLine(Describe(value));
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_drawn) Console.Error.Write("\r\e[K");
            _drawn = false;
        }
    }

    private static string Fit(string line) => Console.WindowWidth is > 10 and var width && line.Length >= width ? line[..(width - 1)] : line;

    private void Line(string text)
    {
        if (_drawn) Console.Error.Write("\r\e[K");
        _drawn = false;
        Console.Error.WriteLine(text);
    }

    private string Describe(JobProgress value)
    {
        List<string> parts = [value.Phase == JobPhase.Live ? $"pass {value.Pass}" : value.Phase.ToString().ToLowerInvariant()];
        if (value.BytesTotal > 0)
        {
            var share = Math.Clamp((double)value.BytesDone / value.BytesTotal, 0, 1);
            if (_terminal) parts.Add(Bar(share));
            parts.Add($"{Quantity.Bytes(value.BytesDone)} of {Quantity.Bytes(value.BytesTotal)}");
        }
        if (value.BytesStored > 0) parts.Add($"stored {Quantity.Bytes(value.BytesStored)}");
        if (value.SinkBytesPerSecond > 0)
        {
            parts.Add(Quantity.Rate(value.SinkBytesPerSecond));
            if (value.BytesTotal > value.BytesDone) parts.Add($"ETA {Quantity.Time(TimeSpan.FromSeconds((value.BytesTotal - value.BytesDone) / value.SinkBytesPerSecond))}");
        }
        if (value.DirtyBytesPerSecond is { } dirty) parts.Add($"dirty {Quantity.Rate(dirty)}");
        if (value.PredictedPause is { } pause) parts.Add($"predicted pause {Quantity.Time(pause)}");
        parts.Add(Quantity.Time(clock.GetElapsedTime(_started)));
        return string.Join(" · ", parts);
    }

    private static string Bar(double share)
    {
        const int Width = 20;
        var full = (int)Math.Round(share * Width);
        return $"[{new string('#', full)}{new string('.', Width - full)}]";
    }
}
