namespace Cutpoint.Repository;

/// <summary>Who runs a job or holds a lock, for people.</summary>
/// <param name="Host">Name of the machine.</param>
/// <param name="ProcessId">Number of the process there.</param>
/// <param name="StartedAt">Since when.</param>
/// <param name="Purpose">What for, such as "take".</param>
public sealed record JobOwner(string Host, int ProcessId, DateTimeOffset StartedAt, string Purpose)
{
    internal static JobOwner Create(string purpose, TimeProvider time) =>
        new(Environment.MachineName, Environment.ProcessId, time.GetUtcNow(), purpose);

    /// <summary>The owner with the age of what it owns.</summary>
    public string ToText(DateTimeOffset now)
    {
        var age = now - StartedAt;
        var text = age.TotalHours >= 48 ? $"{(long)age.TotalDays} days" : age.TotalMinutes >= 120 ? $"{(long)age.TotalHours} h"
            : age.TotalSeconds >= 120 ? $"{(long)age.TotalMinutes} min" : $"{Math.Max(0, (long)age.TotalSeconds)} s";
        return $"{this}, {text} ago";
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Purpose} by process {ProcessId} on {Host} since {StartedAt:u}";
}
