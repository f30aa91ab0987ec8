namespace Cutpoint.Formats;

/// <summary>Input that does not follow its format. Raised by every parser of this library; no partial result is handed out.</summary>
public class MalformedInputException : SnapshotException
{
    /// <summary>Creates an error.</summary>
    /// <param name="format">Short name of the format, such as "BER".</param>
    /// <param name="offset">Octets from the start of the input to the first octet that is wrong.</param>
    /// <param name="reason">What is wrong there, in the words of the format.</param>
    /// <param name="advice">What the user can do about it.</param>
    /// <param name="inner">The cause, when another exception is one.</param>
    public MalformedInputException(string format, long offset, string reason, string? advice = null, Exception? inner = null)
        : base(ErrorCode.VerificationFailed, $"{format}: offset {offset}: {reason}", advice, inner)
    {
        Format = format;
        Offset = offset;
        Reason = reason;
    }

    /// <summary>Short name of the format.</summary>
    public string Format { get; }

    /// <summary>Octets from the start of the input to the first octet that is wrong.</summary>
    public long Offset { get; }

    /// <summary>What is wrong at <see cref="Offset"/>.</summary>
    public string Reason { get; }
}
