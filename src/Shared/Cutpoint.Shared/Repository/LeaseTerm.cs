namespace Cutpoint.Repository;

/// <summary>
/// How long the holder of a lease may believe in it without asking: less long than a database grants it, by the monotonic clock, which goes on while the process is
/// stopped, and counted from before the request, so that an answer that came late never makes it longer.
/// </summary>
/// <param name="Length">How long the lease lasts without renewal. Must exceed <see cref="Padding"/>.</param>
/// <param name="Time">The clock of this process.</param>
public readonly record struct LeaseTerm(TimeSpan Length, TimeProvider Time)
{
    /// <summary>How much shorter than the lease its holder trusts in it: time for what it has just begun to come to its end.</summary>
    public static readonly TimeSpan Padding = TimeSpan.FromSeconds(1);

    /// <summary>The end of trust in a lease that was asked for at a reading of the monotonic clock.</summary>
    public long TrustedFrom(long started) => started + (long)((Length - Padding).TotalSeconds * Time.TimestampFrequency);

    /// <summary>True before that end.</summary>
    public bool IsBefore(long end) => Time.GetTimestamp() < end;
}
