namespace Cutpoint.Durability;

/// <summary>Another writer has taken over; this one has written nothing and must stop.</summary>
public sealed class FencedException : SnapshotException
{
    /// <summary>Creates an error.</summary>
    /// <param name="message">What was written by whom.</param>
    public FencedException(string message)
        : base(ErrorCode.Locked, message, "another process has taken over; look there how it goes on")
    {
    }
}
