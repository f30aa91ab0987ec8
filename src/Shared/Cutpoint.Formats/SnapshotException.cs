namespace Cutpoint;

/// <summary>
/// The root of every error Cutpoint raises on purpose. The message says what was wrong and where; <see cref="Advice"/> says what to do.
/// </summary>
public class SnapshotException : Exception
{
    /// <summary>Creates an error.</summary>
    /// <param name="code">Stable code; decides the exit code of the command line.</param>
    /// <param name="message">What was wrong and where, in one line, without a final period.</param>
    /// <param name="advice">What the user can do about it, in one line, or null when there is nothing to do.</param>
    /// <param name="inner">The cause, when another exception is one.</param>
    public SnapshotException(ErrorCode code, string message, string? advice = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Advice = advice;
    }

    /// <summary>Stable code of the error. Scripts may depend on it.</summary>
    public ErrorCode Code { get; }

    /// <summary>What the user can do about it, or null.</summary>
    public string? Advice { get; }

    /// <summary>True when the same call may succeed later without anybody changing anything.</summary>
    public bool IsTransient { get; init; }

    /// <summary>True when the error was found before anything was changed; such errors never count as failed jobs.</summary>
    public bool IsPreflight { get; init; }
}
