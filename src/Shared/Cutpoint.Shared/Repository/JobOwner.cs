using System.Text.Json;

namespace Cutpoint.Repository;

/// <summary>Who runs a job or holds a lock, for people.</summary>
/// <param name="Host">Name of the machine.</param>
/// <param name="ProcessId">Number of the process there.</param>
/// <param name="StartedAt">Since when.</param>
/// <param name="Purpose">What for, such as "take".</param>
public sealed record JobOwner(string Host, int ProcessId, DateTimeOffset StartedAt, string Purpose)
{
    private const int MaxLength = 64 << 10;

    internal static JobOwner Create(string purpose, TimeProvider time) =>
        new(Environment.MachineName, Environment.ProcessId, time.GetUtcNow(), purpose);

    /// <summary>Who owns a job or lock, or null when that cannot be told.</summary>
    internal static JobOwner? Read(string path)
    {
        try
        {
            return new FileInfo(path).Length > MaxLength ? null : Parse(File.ReadAllBytes(path));
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            return null;
        }
    }

    /// <summary>Who owns a job or lock, or null when that cannot be told.</summary>
    internal static JobOwner? Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, RepositoryJson.Default.JobOwner);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    internal byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, RepositoryJson.Default.JobOwner);

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
