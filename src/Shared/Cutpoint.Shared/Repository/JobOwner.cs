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

    /// <inheritdoc/>
    public override string ToString() => $"{Purpose} by process {ProcessId} on {Host} since {StartedAt:u}";
}
