using Cutpoint.Jobs;

namespace Cutpoint.Cli.Output;

/// <summary>Shows a job's progress on standard error, or as JSON lines with --json. Safe for concurrent use.</summary>
internal sealed class ProgressView(bool json, TimeProvider clock) : IProgress<JobProgress>, IDisposable
{
    private readonly StatusLine _line = new(clock);

    /// <inheritdoc/>
    public void Report(JobProgress value)
    {
        if (json)
        {
            JsonOutput.WriteProgress(value, JsonOutput.Types.JobProgress);
            return;
        }
        if (value.Note is not null) _line.Say(value.Guest is null ? value.Note : $"{value.Guest}: {value.Note}");
        _line.Show(() => Describe(value), now: value.LastPass is not null || value.Cut is not null);
    }

    /// <inheritdoc/>
    public void Dispose() => _line.Dispose();

    private string Describe(JobProgress value)
    {
        List<string> parts = [value.Phase == JobPhase.Live ? $"pass {value.Pass}" : value.Phase.ToString().ToLowerInvariant()];
        if (value.BytesTotal > 0)
        {
            parts.Add($"{_line.Bar((double)value.BytesDone / value.BytesTotal)}{Quantity.Bytes(value.BytesDone)} of {Quantity.Bytes(value.BytesTotal)}");
        }
        if (value.BytesStored > 0) parts.Add($"stored {Quantity.Bytes(value.BytesStored)}");
        if (value.SinkBytesPerSecond > 0)
        {
            parts.Add(Quantity.Rate(value.SinkBytesPerSecond));
            if (value.BytesTotal > value.BytesDone)
            {
                parts.Add($"ETA {Quantity.Time(TimeSpan.FromSeconds((value.BytesTotal - value.BytesDone) / value.SinkBytesPerSecond))}");
            }
        }
        if (value.DirtyBytesPerSecond is { } dirty) parts.Add($"dirty {Quantity.Rate(dirty)}");
        if (value.PredictedPause is { } pause) parts.Add($"predicted pause {Quantity.Time(pause)}");
        parts.Add(Quantity.Time(_line.Elapsed));
        return string.Join(" · ", parts);
    }
}
