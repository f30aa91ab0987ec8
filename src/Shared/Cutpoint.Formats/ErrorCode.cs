namespace Cutpoint;

/// <summary>Stable error codes. The number is the exit code of the command line.</summary>
public enum ErrorCode
{
    /// <summary>The operation failed for a reason without a code of its own.</summary>
    Failed = 1,

    /// <summary>The request itself was wrong.</summary>
    Usage = 2,

    /// <summary>A group was completed in part.</summary>
    PartialGroup = 3,

    /// <summary>The passes did not converge, or no transport can meet the downtime budget.</summary>
    NotConverged = 4,

    /// <summary>Stored or read data are not what they should be.</summary>
    VerificationFailed = 5,

    /// <summary>The guest or the host cannot do what was asked.</summary>
    Incompatible = 6,

    /// <summary>No space left.</summary>
    NoSpace = 7,

    /// <summary>The job was interrupted and can be resumed.</summary>
    Interrupted = 8,

    /// <summary>No such repository or checkpoint.</summary>
    NotFound = 10,

    /// <summary>Locked by another, or a lease was lost.</summary>
    Locked = 11,

    /// <summary>Not authorised.</summary>
    NotAuthorised = 12,

    /// <summary>Cancelled by the user.</summary>
    Cancelled = 130,
}
