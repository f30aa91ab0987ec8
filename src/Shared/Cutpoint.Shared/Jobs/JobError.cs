namespace Cutpoint.Jobs;

/// <summary>An error as it travels in messages: what went wrong, without the exception.</summary>
/// <param name="Code">Stable code.</param>
/// <param name="Message">What was wrong and where.</param>
/// <param name="Advice">What to do, when something can be done.</param>
public sealed record JobError(ErrorCode Code, string Message, string? Advice = null)
{
    /// <summary>The error an exception tells of.</summary>
    public static JobError From(Exception exception) => exception switch
    {
        SnapshotException known => new JobError(known.Code, known.Message, known.Advice),
        OperationCanceledException => new JobError(ErrorCode.Cancelled, "cancelled"),
        _ => new JobError(ErrorCode.Failed, exception.Message),
    };

    /// <summary>The exception that tells of this error.</summary>
    public SnapshotException ToException() => new(Code, Message, Advice);
}
